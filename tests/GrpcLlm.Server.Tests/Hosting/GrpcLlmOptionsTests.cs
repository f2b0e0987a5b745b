using GrpcLlm.Server.Backends.Simulator;
using GrpcLlm.Server.Hosting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace GrpcLlm.Server.Tests.Hosting;

public sealed class GrpcLlmOptionsTests
{
    private static readonly Dictionary<string, string?> Valid = new(StringComparer.OrdinalIgnoreCase)
    {
        ["GrpcLlm:DefaultModel"] = "m",
        ["GrpcLlm:Backends:sim:Kind"] = "simulator",
        ["GrpcLlm:Models:m:Routes:0:Backend"] = "sim",
    };

    [Fact]
    public void Bind_Minimal_HasTheDefaults()
    {
        var options = Bind();

        options.DefaultModel.ShouldBe("m");
        options.Backends["SIM"].Kind.ShouldBe("simulator");
        options.Models["m"].Name.ShouldBe("m");
        options.Limits.MaxRequestBytes.ShouldBe(33_554_432);
        options.Streaming.DeadlineMargin.ShouldBe(TimeSpan.FromMilliseconds(50));
        options.Streaming.ClientStallTimeout.ShouldBe(TimeSpan.FromSeconds(60));
        options.Resilience.MaxAttempts.ShouldBe(3);
        options.Resilience.TotalTimeout.ShouldBe(TimeSpan.FromMinutes(2));
        options.Resilience.HedgeAfter.ShouldBe(TimeSpan.Zero);
        options.Admission.MaxConcurrent.ShouldBe(4096);
        options.Admission.MaxQueue.ShouldBe(1024);
        options.Admission.QueueTimeout.ShouldBe(TimeSpan.FromSeconds(10));
        options.Shutdown.Delay.ShouldBe(TimeSpan.Zero);
        options.Shutdown.Grace.ShouldBe(TimeSpan.FromSeconds(15));
        options.Tenants.ShouldBeEmpty();
        options.AllowAnonymousRemote.ShouldBeFalse();
    }

    [Theory]
    [InlineData("Currency", "usd", "Currency: must be an ISO 4217 code such as USD, is 'usd'")]
    [InlineData("Currency", null, "Currency: must be an ISO 4217 code such as USD, is ''")]
    [InlineData("Input", null, "Input: is required with a price")]
    [InlineData("Output", null, "Output: is required with a price")]
    [InlineData("Input", "-1", "Input: must be 0 to 1000000, is -1")]
    [InlineData("CachedInput", "1000000.1", "CachedInput: must be 0 to 1000000, is 1000000.1")]
    [InlineData("CacheWriteInput", "0.0000000001", "CacheWriteInput: must have at most 9 decimals")]
    [InlineData("CacheWriteInput", "cheap", "CacheWriteInput: 'cheap' is not a number")]
    public void Bind_FaultOfAPrice_IsNamedWithItsKey(string key, string? value, string error)
    {
        var price = new Dictionary<string, string?>(StringComparer.Ordinal) { ["Currency"] = "USD", ["Input"] = "2.5", ["Output"] = "10" };
        if (value is null) price.Remove(key);
        else price[key] = value;

        Errors([.. price.Select(static one => ($"GrpcLlm:Models:m:Price:{one.Key}", one.Value!))])
            .ShouldHaveSingleItem().ShouldBe($"GrpcLlm:Models:m:Price:{error}");
    }

    [Fact]
    public void Bind_Price_CacheCostsAsInputUnlessSaid()
    {
        var price = Bind(
            ("GrpcLlm:Models:m:Price:Currency", "USD"), ("GrpcLlm:Models:m:Price:Input", "2.5"),
            ("GrpcLlm:Models:m:Price:CachedInput", "0.25"), ("GrpcLlm:Models:m:Price:Output", "10")).Models["m"].Price.ToPrice();

        price.ShouldBe(new GrpcLlm.Server.Telemetry.Price("USD", 2.5m, 0.25m, 2.5m, 10m));
        Bind().Models["m"].Price.ToPrice().ShouldBeNull();
        Bind().Telemetry.LogContent.ShouldBeFalse();
    }

    [Fact]
    public void Bind_KeysInAnyCase_AreRead() =>
        Bind(("grpcllm:STREAMING:clientstalltimeout", "00:00:09")).Streaming.ClientStallTimeout.ShouldBe(TimeSpan.FromSeconds(9));

    [Fact]
    public void Bind_NameThatCannotBeAKey_IsTheWireName()
    {
        var options = Bind(
            ("GrpcLlm:DefaultModel", "small"),
            ("GrpcLlm:Models:llama:Name", "llama3.2:1b"),
            ("GrpcLlm:Models:llama:Aliases:0", "small"),
            ("GrpcLlm:Models:llama:Aliases:1", "llama:latest"),
            ("GrpcLlm:Models:llama:Routes:0:Backend", "sim"),
            ("GrpcLlm:Models:llama:Routes:1:Backend", "SIM"),
            ("GrpcLlm:Models:llama:Routes:1:Model", "other"));

        options.Models["llama"].Name.ShouldBe("llama3.2:1b");
        options.Models["llama"].Aliases.ShouldBe(["small", "llama:latest"]);
        options.Models["llama"].Routes.Select(static route => (route.Backend, route.Model)).ShouldBe([("sim", ""), ("SIM", "other")]);
    }

    [Theory]
    [InlineData("GrpcLlm:Limits:MaxRequestBytes", "many", "GrpcLlm:Limits:MaxRequestBytes: 'many' is not a number")]
    [InlineData("GrpcLlm:Limits:MaxRequestBytes", "99999999999", "GrpcLlm:Limits:MaxRequestBytes: '99999999999' is not a number")]
    [InlineData("GrpcLlm:Limits:MaxRequestBytes", "", "GrpcLlm:Limits:MaxRequestBytes: '' is not a number")]
    [InlineData("GrpcLlm:Limits:MaxRequestBytes", "1023", "GrpcLlm:Limits:MaxRequestBytes: ")]
    [InlineData("GrpcLlm:Limits:MaxRequestBytes", "1073741825", "GrpcLlm:Limits:MaxRequestBytes: ")]
    [InlineData("GrpcLlm:Streaming:DeadlineMargin", "50ms", "GrpcLlm:Streaming:DeadlineMargin: '50ms' is not a time such as 00:00:30")]
    [InlineData("GrpcLlm:Streaming:DeadlineMargin", "00:00:90", "GrpcLlm:Streaming:DeadlineMargin: '00:00:90' is not a time such as 00:00:30")]
    [InlineData("GrpcLlm:Streaming:DeadlineMargin", "-00:00:01", "GrpcLlm:Streaming:DeadlineMargin: ")]
    [InlineData("GrpcLlm:Streaming:DeadlineMargin", "00:00:10.001", "GrpcLlm:Streaming:DeadlineMargin: ")]
    [InlineData("GrpcLlm:Streaming:ClientStallTimeout", "2.00:00:00", "GrpcLlm:Streaming:ClientStallTimeout: ")]
    [InlineData("GrpcLlm:Streaming:ClientStallTimout", "1", "GrpcLlm:Streaming:ClientStallTimout: there is no such setting")]
    [InlineData("GrpcLlm:Modles:m:Name", "x", "GrpcLlm:Modles: there is no such setting")]
    [InlineData("GrpcLlm:Models:m:Alias", "x", "GrpcLlm:Models:m:Alias: there is no such setting")]
    [InlineData("GrpcLlm:Models:m:Routes:0:Weigth", "1", "GrpcLlm:Models:m:Routes:0:Weigth: there is no such setting")]
    [InlineData("GrpcLlm:Streaming", "off", "GrpcLlm:Streaming: must be a section, not the value 'off'")]
    [InlineData("GrpcLlm:Models:m:Aliases", "x", "GrpcLlm:Models:m:Aliases: must be a section, not the value 'x'")]
    [InlineData("GrpcLlm:Models:m:Routes:0:Model:Name", "x", "GrpcLlm:Models:m:Routes:0:Model: must be one value, not a section")]
    [InlineData("GrpcLlm:Limits:MaxRequestBytes:Value", "x", "GrpcLlm:Limits:MaxRequestBytes: must be one value, not a section")]
    [InlineData("GrpcLlm:Models:m:Price", "5", "GrpcLlm:Models:m:Price: must be a section, not the value '5'")]
    [InlineData("GrpcLlm:Telemetry:LogContent", "yes", "GrpcLlm:Telemetry:LogContent: 'yes' is not true or false")]
    [InlineData("GrpcLlm:Telemetry:MaxContentBytes", "1023", "GrpcLlm:Telemetry:MaxContentBytes: must be 1024 to 1048576, is 1023")]
    [InlineData("GrpcLlm:Telemetry:Redactions:0:Pattern", "(", "GrpcLlm:Telemetry:Redactions:0:Pattern: ")]
    [InlineData("GrpcLlm:Telemetry:Redactions:0:Pattern", "(?=x)", "GrpcLlm:Telemetry:Redactions:0:Pattern: ")]
    [InlineData("GrpcLlm:Telemetry:Redactions:0:Replacement", "x", "GrpcLlm:Telemetry:Redactions:0:Pattern: is required")]
    [InlineData("GrpcLlm:DefaultModel", "M", "GrpcLlm:DefaultModel: 'M' is not the name or alias of a model")]
    [InlineData("GrpcLlm:DefaultModel", "", "GrpcLlm:DefaultModel: ")]
    [InlineData("GrpcLlm:Models:m:Routes:0:Backend", "none", "GrpcLlm:Models:m:Routes:0:Backend: 'none' is not a configured backend")]
    [InlineData("GrpcLlm:Models:m:Routes:1:Backend", "", "GrpcLlm:Models:m:Routes:1:Backend: '' is not a configured backend")]
    [InlineData("GrpcLlm:Models:m:Aliases:0", "m", "GrpcLlm:Models:m: the name 'm' is taken by another model or alias")]
    [InlineData("GrpcLlm:Models:m:Aliases:0", "", "GrpcLlm:Models:m: names must have 1 to 128 characters")]
    [InlineData("GrpcLlm:Resilience:MaxAttempts", "0", "GrpcLlm:Resilience:MaxAttempts: must be 1 to 10")]
    [InlineData("GrpcLlm:Resilience:BreakerFailureRatio", "1.5", "GrpcLlm:Resilience:BreakerFailureRatio: must be 0.01 to 1")]
    [InlineData("GrpcLlm:Resilience:BreakerBreakDuration", "00:00:00.1", "GrpcLlm:Resilience:BreakerBreakDuration: ")]
    [InlineData("GrpcLlm:Resilience:HedgeAfter", "00:02:00", "GrpcLlm:Resilience:HedgeAfter: must be less than TotalTimeout")]
    [InlineData("GrpcLlm:Backends:sim:Resilience:MaxAttempts", "2", "GrpcLlm:Backends:sim:Resilience:MaxAttempts: there is no such setting")]
    [InlineData("GrpcLlm:Backends:sim:Resilience:TotalTimeout", "00:00:02", "GrpcLlm:Backends:sim:Resilience:TotalTimeout: there is no such setting")]
    [InlineData("GrpcLlm:Backends:sim:Resilience:BaseDelay", "00:00:06", "GrpcLlm:Backends:sim:Resilience:MaxDelay: must not be less than BaseDelay")]
    [InlineData("GrpcLlm:Backends:sim:FirstTokenTimeout", "00:03:00", "GrpcLlm:Backends:sim:FirstTokenTimeout: must not exceed GrpcLlm:Resilience:TotalTimeout")]
    [InlineData("GrpcLlm:Models:m:Routes:0:Weight", "0", "GrpcLlm:Models:m:Routes:0:Weight: must be 1 to 1000000")]
    [InlineData("GrpcLlm:Admission:MaxConcurrent", "0", "GrpcLlm:Admission:MaxConcurrent: ")]
    [InlineData("GrpcLlm:Admission:QueueTimeout", "5", "GrpcLlm:Admission:QueueTimeout: '5' is not a time")]
    [InlineData("GrpcLlm:AllowAnonymousRemote", "yes", "GrpcLlm:AllowAnonymousRemote: 'yes' is not true or false")]
    [InlineData("GrpcLlm:Shutdown:Grace", "2.00:00:00", "GrpcLlm:Shutdown:Grace: ")]
    [InlineData("GrpcLlm:Tenants:t:RequestsPerMinute", "5", "GrpcLlm:Tenants:t: ApiKeyHashes or CertificateSubjects must identify it")]
    [InlineData("GrpcLlm:Tenants:t:ApiKeyHashes:0", "secret", "GrpcLlm:Tenants:t:ApiKeyHashes:0: must be sha256: and the 64 hexadecimal digits")]
    public void Bind_OneFault_IsNamedWithItsKey(string key, string value, string error) =>
        Errors((key, value)).ShouldHaveSingleItem().ShouldStartWith(error);

    [Fact]
    public void Bind_TenantWithFaults_AllAreNamedAndNoSecretIsRepeated()
    {
        const string hash = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

        var errors = Errors(
            ("GrpcLlm:Tenants:a:ApiKeyHashes:0", hash), ("GrpcLlm:Tenants:b:ApiKeyHashes:0", hash.ToUpperInvariant().Replace("SHA", "sha", StringComparison.Ordinal)),
            ("GrpcLlm:Tenants:b:ApiKeyHashes:1", "not-hashed-secret"), ("GrpcLlm:Tenants:b:Models:0", "none"),
            ("GrpcLlm:Tenants:c:CertificateSubjects:0", "billing"), ("GrpcLlm:Tenants:d:CertificateSubjects:0", "CN=x"),
            ("GrpcLlm:Tenants:d:CertificateSubjects:1", "CN=x"), ("GrpcLlm:Tenants:e:MaxOutputTokens", "0"),
            ("GrpcLlm:Tenants:e:CertificateSubjects:0", "CN=e"));

        errors.Select(static error => error.Split(": ")[0]).ShouldBe(
            [
                "GrpcLlm:Tenants:b:ApiKeyHashes:0", "GrpcLlm:Tenants:b:ApiKeyHashes:1", "GrpcLlm:Tenants:b:Models:0",
                "GrpcLlm:Tenants:c:CertificateSubjects:0", "GrpcLlm:Tenants:d:CertificateSubjects:1", "GrpcLlm:Tenants:e:MaxOutputTokens",
            ],
            ignoreOrder: true);
        string.Join('\n', errors).ShouldNotContain("secret");
        string.Join('\n', errors).ShouldNotContain("9f86");
    }

    [Fact]
    public void Bind_WeightOnSomeRoutes_IsRefused() =>
        Errors(("GrpcLlm:Models:m:Routes:0:Weight", "1"), ("GrpcLlm:Models:m:Routes:1:Backend", "sim"))
            .ShouldBe(["GrpcLlm:Models:m:Routes: Weight must be on all routes of a model or on none"]);

    [Fact]
    public void Bind_NameOfAnotherModel_IsTaken() =>
        Errors(("GrpcLlm:Models:n:Name", "m"), ("GrpcLlm:Models:n:Routes:0:Backend", "sim"))
            .ShouldBe(["GrpcLlm:Models:n: the name 'm' is taken by another model or alias"]);

    [Fact]
    public void Bind_NamesThatDifferInCase_AreTwo() =>
        Bind(("GrpcLlm:Models:n:Name", "M"), ("GrpcLlm:Models:n:Routes:0:Backend", "sim")).Models.Count.ShouldBe(2);

    [Theory]
    [InlineData(128, 0)]
    [InlineData(129, 1)]
    public void Bind_LongNameOfABackend_IsRefused(int length, int errors) =>
        Errors(($"GrpcLlm:Backends:{new string('b', length)}:Kind", "simulator")).Count.ShouldBe(errors);

    [Fact]
    public void Bind_ModelWithoutRoutes_IsRefused() =>
        Errors(("GrpcLlm:Models:n:Name", "n")).ShouldBe(["GrpcLlm:Models:n:Routes: at least one route is required"]);

    [Fact]
    public void Bind_Nothing_TellsAllThatIsMissing() =>
        ErrorsOf(new ConfigurationBuilder().Build()).Select(static error => error.Split(": ")[0])
            .ShouldBe(["GrpcLlm:DefaultModel", "GrpcLlm:Models"]);

    [Fact]
    public void Bind_ManyFaults_TellsAllAtOnce() =>
        Errors(
            ("GrpcLlm:DefaultModel", "x"), ("GrpcLlm:Limits:MaxRequestBytes", "a"), ("GrpcLlm:Typo", "b"),
            ("GrpcLlm:Streaming:DeadlineMargin", "c"), ("GrpcLlm:Streaming:ClientStallTimeout", "-00:00:01"),
            ("GrpcLlm:Models:m:Routes:0:Backend", "d")).Select(static error => error.Split(": ")[0]).ShouldBe(
            [
                "GrpcLlm:DefaultModel", "GrpcLlm:Limits:MaxRequestBytes", "GrpcLlm:Typo", "GrpcLlm:Streaming:DeadlineMargin",
                "GrpcLlm:Streaming:ClientStallTimeout", "GrpcLlm:Models:m:Routes:0:Backend",
            ],
            ignoreOrder: true);

    [Fact]
    public void Read_BackendSettings_LeavesTheIgnoredKeyAndNamesTheRest()
    {
        var section = Configuration(
            ("GrpcLlm:Backends:sim:InterTokenLatency", "00:00:00.5"), ("GrpcLlm:Backends:sim:OutputTokens", "0"),
            ("GrpcLlm:Backends:sim:BaseUrl", "x"), ("GrpcLlm:Backends:sim:Seed", "-9223372036854775808"))
            .GetSection("GrpcLlm:Backends:sim");
        var errors = new List<string>();
        var options = new SimulatorOptions();

        ConfigurationReader.Read(section, options, errors, "Kind");

        options.InterTokenLatency.ShouldBe(TimeSpan.FromMilliseconds(500));
        options.Seed.ShouldBe(long.MinValue);
        errors.Select(static error => error.Split(": ")[0]).ShouldBe(
            ["GrpcLlm:Backends:sim:BaseUrl", "GrpcLlm:Backends:sim:OutputTokens"], ignoreOrder: true);
    }

    [Fact]
    public void Bind_ShippedSettings_AreValid()
    {
        var configuration = new ConfigurationBuilder()
            .AddJsonFile(Path.Combine(AppContext.BaseDirectory, "appsettings.json")).Build();

        var options = GrpcLlmOptions.Bind(configuration);

        options.DefaultModel.ShouldBe("embedded");
        options.Models.Keys.ShouldBe(["embedded", "simulator"], ignoreOrder: true);
        options.Backends.Values.Select(static backend => backend.Kind).ShouldBe(["embedded", "simulator"], ignoreOrder: true);
        var simulator = new SimulatorOptions();
        var errors = new List<string>();
        ConfigurationReader.Read(options.Backends["simulator"].Section, simulator, errors, "Kind");
        errors.ShouldBeEmpty();
        simulator.TimeToFirstToken.ShouldBe(TimeSpan.FromMilliseconds(200));
    }

    private static GrpcLlmOptions Bind(params (string Key, string Value)[] changes) =>
        GrpcLlmOptions.Bind(Configuration(changes));

    private static IConfigurationRoot Configuration(params (string Key, string Value)[] changes)
    {
        var values = new Dictionary<string, string?>(Valid, StringComparer.OrdinalIgnoreCase);
        foreach (var (key, value) in changes) values[key] = value;
        return new ConfigurationBuilder().AddInMemoryCollection(values).Build();
    }

    private static List<string> Errors(params (string Key, string Value)[] changes) => ErrorsOf(Configuration(changes));

    private static List<string> ErrorsOf(IConfiguration configuration)
    {
        try
        {
            GrpcLlmOptions.Bind(configuration);
            return [];
        }
        catch (OptionsValidationException exception)
        {
            return [.. exception.Failures];
        }
    }
}
