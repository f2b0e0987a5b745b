using GrpcLlm.Server.Backends;

namespace GrpcLlm.Server.Tests.Backends;

public sealed class ApiKeyTests
{
    [Fact]
    public void Read_Literal_IsTheKey_AndItsLabelIsNot()
    {
        var key = new ApiKey(" secret ", 2);

        key.Read().ShouldBe("secret");
        key.Label.ShouldBe("key3");
        key.ToString().ShouldNotContain("secret");
    }

    [Fact]
    public void Read_EnvironmentVariable_IsReadWhenUsed()
    {
        var name = "GRPCLLM_TEST_" + Guid.NewGuid().ToString("N");
        var key = new ApiKey("env:" + name, 0);
        Should.Throw<BackendException>(key.Read).Failure.ShouldBe(BackendFailure.Misconfigured);

        Environment.SetEnvironmentVariable(name, "from-env");

        key.Read().ShouldBe("from-env");
        key.Label.ShouldBe("env:" + name);
    }

    [Fact]
    public async Task Read_File_IsReadAgainWhenItChanges()
    {
        var path = Path.GetTempFileName();
        try
        {
            var key = new ApiKey("file:" + path, 0);
            await File.WriteAllTextAsync(path, "first\n", TestContext.Current.CancellationToken);
            key.Read().ShouldBe("first");
            key.Read().ShouldBe("first");

            await File.WriteAllTextAsync(path, "second-key\n", TestContext.Current.CancellationToken);

            key.Read().ShouldBe("second-key");
        }
        finally
        {
            File.Delete(path);
        }

        var gone = new ApiKey("file:" + path, 0);
        Should.Throw<BackendException>(gone.Read).Message.ShouldContain("cannot be read");
    }

    [Theory]
    [InlineData("")]
    [InlineData("  ")]
    [InlineData("two\nlines")]
    [InlineData("nul\0")]
    public void Read_KeyThatCannotBeSent_IsMisconfiguredAndNotRepeated(string source)
    {
        var failure = Should.Throw<BackendException>(() => new ApiKey(source, 0).Read());

        failure.Failure.ShouldBe(BackendFailure.Misconfigured);
        failure.Message.ShouldBe("The API key key1 is empty or not there.");
    }
}
