namespace GrpcLlm.Client.Tests;

public sealed class OptionsTests
{
    private static readonly Uri Plain = new("http://llm.example:50051");

    public static TheoryData<string, Action<GrpcLlmClientOptions>> Wrong() => new()
    {
        { "Address", options => options.Address = null },
        { "Address", options => options.Address = new Uri("ftp://llm.example") },
        { "Address", options => options.Address = new Uri("localhost:50051") },
        { "Address", options => options.Address = new Uri("/relative", UriKind.Relative) },
        { "DefaultModel", options => options.DefaultModel = null! },
        { "GenerateTimeout", options => options.GenerateTimeout = TimeSpan.Zero },
        { "UnaryTimeout", options => options.UnaryTimeout = TimeSpan.FromSeconds(-5) },
        { "ConnectTimeout", options => options.ConnectTimeout = TimeSpan.Zero },
        { "KeepAlivePingDelay", options => options.KeepAlivePingDelay = TimeSpan.FromMilliseconds(999) },
        { "KeepAlivePingTimeout", options => options.KeepAlivePingTimeout = TimeSpan.Zero },
        { "MaxReceiveMessageSize", options => options.MaxReceiveMessageSize = 0 },
        { "TimeProvider", options => options.TimeProvider = null! },
        { "ApiKey", options => options.ApiKey = "" },
        { "ApiKey", options => options.ApiKey = "two words" },
        { "ApiKey", options => (options.ApiKey, options.TokenProvider) = ("k", _ => ValueTask.FromResult("t")) },
        { "ApiKey", options => (options.Address, options.ApiKey) = (Plain, "secret") },
        { "TokenProvider", options => (options.Address, options.TokenProvider) = (Plain, _ => ValueTask.FromResult("t")) },
        { "Retry.MaxAttempts", options => options.Retry.MaxAttempts = 0 },
        { "Retry.MaxAttempts", options => options.Retry.MaxAttempts = 11 },
        { "Retry.BaseDelay", options => (options.Retry.BaseDelay, options.Retry.MaxDelay) = (TimeSpan.FromMinutes(2), TimeSpan.FromMinutes(2)) },
        { "Retry.MaxDelay", options => options.Retry.MaxDelay = TimeSpan.FromHours(1) },
        { "Retry.MaxDelay", options => options.Retry.MaxDelay = TimeSpan.FromMilliseconds(1) },
        { "Retry.Budget", options => options.Retry.Budget = TimeSpan.Zero },
        { "Retry.Budget", options => options.Retry.Budget = TimeSpan.FromDays(2) },
    };

    [Theory]
    [MemberData(nameof(Wrong))]
    public void Option_Wrong_IsNamed(string option, Action<GrpcLlmClientOptions> spoil)
    {
        var options = new GrpcLlmClientOptions { Address = new Uri("https://llm.example") };
        OptionsErrors.Of(options, ownsChannel: true).ShouldBeEmpty();
        spoil(options);

        var error = OptionsErrors.Of(options, ownsChannel: true).Single();

        error.ShouldStartWith(option + " ");
        error.ShouldNotContain("secret");
        Should.Throw<ArgumentException>(() => new GrpcLlmClient(options)).Message.ShouldContain(error);
    }

    [Fact]
    public void Options_SeveralWrong_AreAllNamed()
    {
        var options = new GrpcLlmClientOptions { UnaryTimeout = TimeSpan.Zero, MaxReceiveMessageSize = 0 };

        var message = Should.Throw<ArgumentException>(() => new GrpcLlmClient(options)).Message;

        message.ShouldContain("Address is not set.");
        message.ShouldContain("UnaryTimeout must be above 0.");
        message.ShouldContain("MaxReceiveMessageSize must be at least 1 byte.");
    }

    [Theory]
    [InlineData("https://llm.example", false)]
    [InlineData("http://localhost:50051", false)]
    [InlineData("http://127.0.0.1:50051", false)]
    [InlineData("http://[::1]:50051", false)]
    [InlineData("http://llm.example", true)]
    public void ApiKey_WhereNobodyReadsIt_OrTheCallerSaysSo_IsTaken(string address, bool allowInsecure)
    {
        var options = new GrpcLlmClientOptions
        {
            Address = new Uri(address), ApiKey = "secret", AllowInsecureCredentials = allowInsecure,
        };

        OptionsErrors.Of(options, ownsChannel: true).ShouldBeEmpty();
    }

    [Fact]
    public void Timeouts_Infinite_AreTaken()
    {
        var options = new GrpcLlmClientOptions
        {
            Address = new Uri("http://localhost:1"),
            GenerateTimeout = Timeout.InfiniteTimeSpan, UnaryTimeout = Timeout.InfiniteTimeSpan,
            ConnectTimeout = Timeout.InfiniteTimeSpan, KeepAlivePingDelay = Timeout.InfiniteTimeSpan,
            KeepAlivePingTimeout = Timeout.InfiniteTimeSpan,
        };

        using var client = new GrpcLlmClient(options);

        client.Address.ShouldBe(options.Address);
    }
}
