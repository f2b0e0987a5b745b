using GrpcLlm.Cli;
using GrpcLlm.Cli.Bench.Profiles;

namespace GrpcLlm.Client.Tests.Cli.Bench.Profiles;

public sealed class GhzProfileReaderTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("grpcllm-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void Profile_WithEveryKey_IsReadWithItsTypes()
    {
        var profile = Read("""
            {
              "name": "n", "tags": {"a": "b"}, "proto": "p.proto", "import-paths": ["x", "y"], "protoset": "s",
              "call": "grpcllm.v1.GenerationService.Generate", "host": "h:1", "insecure": true, "skipTLS": true,
              "cacert": "ca", "cert": "c", "key": "k", "cname": "cn", "authority": "au",
              "total": 1000, "duration": "1m30s", "duration-stop": "wait", "max-duration": "2m", "concurrency": 20,
              "concurrency-schedule": "step", "concurrency-start": 5, "concurrency-end": 20, "concurrency-step": 5,
              "concurrency-step-duration": "5s", "concurrency-max-duration": "30s",
              "connections": 4, "rps": 50, "async": true,
              "load-schedule": "line", "load-start": 100, "load-end": 20, "load-step": -2, "load-max-duration": "60s",
              "skipFirst": 10, "timeout": "0", "connect-timeout": "5s", "keepalive": "1m", "count-errors": true,
              "stream-call-count": 3, "stream-call-duration": "250ms", "stream-interval": "25ms", "stream-dynamic-messages": true,
              "data": {"prompt": "hi"}, "metadata": {"m": "v"}, "reflect-metadata": {"r": "v"},
              "output": "o.json", "format": "pretty", "debug": "d.log", "cpus": 2, "enable-compression": true,
              "lb-strategy": "round_robin", "max-recv-message-size": "42 MB", "max-send-message-size": 1048576,
              "disable-template-functions": true, "disable-template-data": true
            }
            """);

        (profile.Name, profile.Proto, profile.Protoset, profile.Host, profile.CaCert, profile.CName, profile.Authority)
            .ShouldBe(("n", "p.proto", "s", "h:1", "ca", "cn", "au"));
        (profile.Cert, profile.Key, profile.Output, profile.Format, profile.Debug, profile.LbStrategy, profile.Cpus)
            .ShouldBe(("c", "k", "o.json", "pretty", "d.log", "round_robin", 2));
        (profile.Insecure, profile.SkipTls, profile.Async, profile.CountErrors, profile.StreamDynamicMessages, profile.EnableCompression)
            .ShouldBe((true, true, true, true, true, true));
        (profile.DisableTemplateFunctions, profile.DisableTemplateData).ShouldBe((true, true));
        profile.ImportPaths.ShouldBe(["x", "y"]);
        profile.Tags["a"].ShouldBe("b");
        profile.Metadata["m"].ShouldBe("v");
        profile.ReflectMetadata["r"].ShouldBe("v");
        profile.Data!.Value.GetProperty("prompt").GetString().ShouldBe("hi");
        (profile.Total, profile.Concurrency, profile.Connections, profile.Rps, profile.SkipFirst, profile.StreamCallCount)
            .ShouldBe((1000, 20, 4, 50, 10, 3));
        (profile.Duration, profile.MaxDuration, profile.Timeout, profile.ConnectTimeout, profile.Keepalive).ShouldBe(
            (Seconds(90), Seconds(120), Seconds(0), Seconds(5), Seconds(60)));
        (profile.StreamCallDuration, profile.StreamInterval).ShouldBe((Seconds(0.25), Seconds(0.025)));
        profile.DurationStop.ShouldBe(GhzDurationStop.Wait);
        (profile.MaxReceiveMessageSize, profile.MaxSendMessageSize).ShouldBe((42_000_000, 1_048_576));
        profile.ConcurrencySchedule.ShouldBe(new GhzSchedule(false, 5, 5, Seconds(5), 20, Seconds(30)));
        profile.LoadSchedule.ShouldBe(new GhzSchedule(true, 100, -2, Seconds(1), 20, Seconds(60)));
    }

    [Fact]
    public void Profile_OfNothing_LeavesEverythingOpen()
    {
        var profile = Read("""{"rps": 0, "duration": "0s", "stream-call-count": 0, "host": "", "tags": null}""");

        (profile.Total, profile.Concurrency, profile.Connections, profile.Rps, profile.StreamCallCount).ShouldBe((null, null, null, null, null));
        (profile.Duration, profile.Timeout, profile.Host, profile.Data, profile.DurationStop).ShouldBe((null, null, null, null, null));
        profile.Tags.ShouldBeEmpty();
    }

    [Theory]
    [InlineData("42", 42)]
    [InlineData("\"4 MiB\"", 4_194_304)]
    [InlineData("\"512kb\"", 512_000)]
    [InlineData("\"1.5 GiB\"", 1_610_612_736)]
    public void Size_InAnyForm_IsBytes(string json, long bytes) =>
        Read($$"""{"max-recv-message-size": {{json}}}""").MaxReceiveMessageSize.ShouldBe(bytes);

    [Theory]
    [InlineData("""{"concurency": 5}""", "concurency: is no key of a ghz configuration; did you mean 'concurrency'?")]
    [InlineData("""{"skip-first": 5}""", "did you mean 'skipFirst'?")]
    [InlineData("""{"stream_call_count": 5}""", "did you mean 'stream-call-count'?")]
    [InlineData("""{"n": 5}""", "did you mean 'total'?")]
    [InlineData("""{"qps": 5}""", "did you mean 'rps'?")]
    [InlineData("""{"colour": 5}""", "colour: is no key of a ghz configuration.")]
    [InlineData("""{"total": 5, "total": 6}""", "total: stands there twice")]
    [InlineData("""{"total": "5"}""", "total: a whole number is expected, not a text")]
    [InlineData("""{"total": 1.5}""", "total: a whole number is expected, not 1.5")]
    [InlineData("""{"total": 0}""", "total: 0 is not from 1")]
    [InlineData("""{"concurrency": -1}""", "concurrency: -1 is not from 1")]
    [InlineData("""{"insecure": "yes"}""", "insecure: true or false is expected, not a text")]
    [InlineData("""{"host": 5}""", "host: a text is expected, not 5")]
    [InlineData("""{"duration": 10}""", "duration: '10' has no unit; write \"10s\"")]
    [InlineData("""{"timeout": "soon"}""", "timeout: 'soon' is no duration")]
    [InlineData("""{"timeout": true}""", "timeout: a duration such as \"10s\" is expected, not true")]
    [InlineData("""{"duration-stop": "now"}""", "duration-stop: 'now' is none of close, wait, ignore")]
    [InlineData("""{"format": "yaml"}""", "format: 'yaml' is none of")]
    [InlineData("""{"import-paths": "protos"}""", "import-paths: an array of texts is expected")]
    [InlineData("""{"metadata": {"a": 1}}""", "metadata.a: a text is expected, not 1")]
    [InlineData("""{"tags": []}""", "tags: an object of texts is expected, not an array")]
    [InlineData("""{"data": "{}"}""", "data: ghz takes no text here")]
    [InlineData("""{"data": []}""", "data: the array is empty")]
    [InlineData("""{"data": [1]}""", "data: the array holds something else than objects")]
    [InlineData("""{"data": 7}""", "data: an object or an array of objects is expected, not 7")]
    [InlineData("""{"data": {}, "data-file": "f"}""", "data-file: stands beside data")]
    [InlineData("""{"metadata": {}, "metadata-file": "f"}""", "metadata-file: stands beside metadata")]
    [InlineData("""{"cert": "c"}""", "key: cert and key go together")]
    [InlineData("""{"key": "k"}""", "cert: cert and key go together")]
    [InlineData("""{"call": "helloworld.Greeter.SayHello"}""", "'helloworld.Greeter.SayHello' is not measured; only grpcllm.v1.GenerationService/Generate is")]
    [InlineData("""{"total": 10}""", "total: 10 is less than the concurrency, 50")]
    [InlineData("""{"concurrency": 2, "connections": 3}""", "connections: 3 is more than the concurrency, 2")]
    [InlineData("""{"load-schedule": "wave"}""", "load-schedule: 'wave' is none of const, step, line")]
    [InlineData("""{"load-schedule": "step", "load-start": 5, "load-step": 5}""", "load-step-duration: is needed")]
    [InlineData("""{"load-schedule": "line", "load-step": 5}""", "load-start: is needed")]
    [InlineData("""{"load-schedule": "line", "load-start": 5}""", "load-step: is needed")]
    [InlineData("""{"load-schedule": "line", "load-start": 5, "load-end": 50, "load-step": -5}""", "load-step: -5 does not lead from 5 to 50")]
    [InlineData("""{"load-schedule": "line", "load-start": 50, "load-step": -5}""", "load-end: is needed")]
    [InlineData("""{"max-recv-message-size": "much"}""", "max-recv-message-size: 'much' is no size")]
    [InlineData("""{"max-recv-message-size": "9 GiB"}""", "max-recv-message-size: '9 gib' is no size")]
    [InlineData("[]", "an object is expected")]
    [InlineData("""{"total": 5""", "is no JSON")]
    [InlineData("", "is no JSON")]
    public void Profile_WithAMistake_IsRefusedWithFileKeyAndReason(string json, string reason)
    {
        var message = Should.Throw<UsageException>(() => Read(json)).Message;

        message.ShouldContain(reason);
        message.ShouldContain("profile.json");
    }

    [Fact]
    public void Profile_WithManyMistakes_NamesThemAllAtOnce()
    {
        var message = Should.Throw<UsageException>(() => Read("""{"totl": 1, "rps": "x", "timeout": "1", "data": []}""")).Message;

        message.ShouldContain("'total'");
        message.ShouldContain("rps:");
        message.ShouldContain("timeout:");
        message.ShouldContain("data:");
    }

    [Fact]
    public void Profile_ThatIsNotThere_IsNamed() =>
        Should.Throw<UsageException>(() => GhzProfileReader.Read("/no/such/profile.json")).Message
            .ShouldContain("'/no/such/profile.json' cannot be read");

    [Theory]
    [InlineData("p.toml")]
    [InlineData("p.yaml")]
    public void Profile_InAnotherLanguage_IsToldApart(string name) =>
        Should.Throw<UsageException>(() => GhzProfileReader.Read(name)).Message.ShouldContain("reads JSON only");

    private static TimeSpan Seconds(double seconds) => TimeSpan.FromSeconds(seconds);

    private GhzProfile Read(string json)
    {
        var file = Path.Combine(_directory, "profile.json");
        File.WriteAllText(file, json);
        return GhzProfileReader.Read(file);
    }
}
