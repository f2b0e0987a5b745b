using Google.Rpc;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.V1;
using static GrpcLlm.FunctionalTests.Resilience.RoutesSetup;
using static GrpcLlm.FunctionalTests.Upstreams.OpenAiSetup;

namespace GrpcLlm.FunctionalTests.Resilience;

/// <summary>Several keys of one backend: which one a request carries, and what becomes of one that is limited or refused.</summary>
public sealed class KeyPoolTests
{
    private const string First = "sk-first-quokka-secret";
    private const string Second = "sk-second-quokka-secret";
    private const string Third = "sk-third-quokka-secret";

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task OpenStreams_AreSpreadOverTheKeys()
    {
        await using var upstream = TestUpstream.Start(static async call =>
        {
            await call.HeadAsync();
            await call.WriteAsync(Sse(Text("open")));
            await call.SilenceAsync();
        });
        await using var server = await StartAsync([upstream], [.. Keys("a", First, Second, Third)]);
        var calls = new List<Grpc.Core.AsyncServerStreamingCall<TokenChunk>>();
        var used = new List<string>();
        for (var n = 0; n < 6; n++)
        {
            calls.Add(server.Client.Generate(Prompt, cancellationToken: Cancelled));
            (await calls[n].ResponseStream.MoveNext(Cancelled)).ShouldBeTrue();
            used.Add(KeyOf(await upstream.NextCallAsync()));
        }

        used.Take(3).ShouldBe([First, Second, Third], ignoreOrder: true);
        used.CountBy(static key => key).ShouldAllBe(static pair => pair.Value == 2);
        foreach (var call in calls) call.Dispose();
        await Eventually.IsAsync(() => server.Metrics.Active == 0);
    }

    [Fact]
    public async Task RateLimitedKey_TheCallGoesOnWithAnother_AndTheKeyRests()
    {
        var limited = 1;
        await using var upstream = TestUpstream.Start(call => KeyOf(call) == First && Volatile.Read(ref limited) == 1
            ? RefuseAsync(call, 429, ("retry-after-ms", "700"))
            : ServeAsync(call, "served"));
        await using var server = await StartAsync([upstream], [.. Keys("a", First, Second)]);

        var answer = await Answer.OfAsync(server, Prompt);
        var meanwhile = await Answer.OfAsync(server, Prompt);
        Volatile.Write(ref limited, 0);

        answer.Text.ShouldBe("served");
        answer.Summary.AttemptLog.Select(static attempt => $"{attempt.KeyLabel} {attempt.Outcome}").ShouldBe(["key1 Failed", "key2 Served"]);
        meanwhile.Summary.AttemptLog.Select(static attempt => attempt.KeyLabel).ShouldBe(["key2"]);

        // Idle keys are taken in their order, so the first one serves again once it has rested.
        var label = "";
        while (label != "key1") label = (await Answer.OfAsync(server, Prompt)).Summary.AttemptLog.ShouldHaveSingleItem().KeyLabel;
    }

    [Fact]
    public async Task RefusedKey_IsTakenOutLoudly_AndNeverTold()
    {
        await using var upstream = TestUpstream.Start(call => KeyOf(call) == First ? RefuseAsync(call, 401) : ServeAsync(call, "served"));
        await using var server = await StartAsync([upstream], [.. Keys("a", First, Second), "Logging:LogLevel:Default=Trace"]);

        var answer = await Answer.OfAsync(server, Prompt);
        var next = await Answer.OfAsync(server, Prompt);

        answer.Text.ShouldBe("served");
        answer.Summary.AttemptLog.Select(static attempt => $"{attempt.KeyLabel} {attempt.ErrorReason}")
            .ShouldBe(["key1 UpstreamMisconfigured", "key2 Unspecified"]);
        next.Summary.AttemptLog.ShouldHaveSingleItem().KeyLabel.ShouldBe("key2");
        var line = server.Logs.Errors.ShouldHaveSingleItem();
        line.ShouldContain("KeyTakenOut");
        line.ShouldContain("key1");
        server.Logs.Lines.ShouldAllBe(static one => !one.Contains("quokka"));
        answer.Trailers.ShouldAllBe(static one => !(one.IsBinary ? System.Text.Encoding.Latin1.GetString(one.ValueBytes) : one.Value).Contains("quokka"));
        (await server.Logs.NextUsageAsync()).ToString().ShouldNotContain("quokka");
    }

    [Fact]
    public async Task AllKeysRefused_IsMisconfigured_AndTheUpstreamIsLeftAlone()
    {
        var requests = 0;
        await using var upstream = TestUpstream.Start(call =>
        {
            Interlocked.Increment(ref requests);
            return RefuseAsync(call, 401);
        });
        await using var server = await StartAsync([upstream], [.. Keys("a", First, Second)]);

        var answer = await Answer.OfAsync(server, Prompt);
        var next = await Answer.OfAsync(server, Prompt);

        answer.Reason.ShouldBe("UPSTREAM_MISCONFIGURED");
        answer.Summary.Attempts.ShouldBe(2u);
        next.Reason.ShouldBe("UPSTREAM_MISCONFIGURED");
        next.Summary.Attempts.ShouldBe(0u);
        requests.ShouldBe(2);
    }

    [Fact]
    public async Task AllKeysCooling_IsRateLimited_WithTheShortestWait()
    {
        await using var upstream = TestUpstream.Start(call => RefuseAsync(call, 429, ("Retry-After", KeyOf(call) == First ? "90" : "50")));
        await using var server = await StartAsync([upstream], [.. Keys("a", First, Second)]);

        var answer = await Answer.OfAsync(server, Prompt);
        var next = await Answer.OfAsync(server, Prompt);

        answer.Reason.ShouldBe("UPSTREAM_RATE_LIMITED");
        answer.Detail<RetryInfo>().RetryDelay.ToTimeSpan().ShouldBeInRange(TimeSpan.FromSeconds(40), TimeSpan.FromSeconds(50));
        next.Reason.ShouldBe("UPSTREAM_RATE_LIMITED");
        next.Summary.Attempts.ShouldBe(0u);
        next.Detail<RetryInfo>().RetryDelay.ToTimeSpan().ShouldBeInRange(TimeSpan.FromSeconds(20), TimeSpan.FromSeconds(50));
    }

    [Fact]
    public async Task RefusedKeyFile_IsExchanged_TheKeyIsBack()
    {
        var path = Path.Combine(Path.GetTempPath(), $"grpcllm-key-{Guid.NewGuid():N}");
        await File.WriteAllTextAsync(path, First, Cancelled);
        try
        {
            await using var upstream = TestUpstream.Start(call => KeyOf(call) == First ? RefuseAsync(call, 403) : ServeAsync(call, "served"));
            await using var server = await StartAsync([upstream], [.. Keys("a", $"file:{path}")]);
            (await Answer.OfAsync(server, Prompt)).Reason.ShouldBe("UPSTREAM_MISCONFIGURED");

            await File.WriteAllTextAsync(path, Second, Cancelled);

            (await Answer.OfAsync(server, Prompt)).Text.ShouldBe("served");
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static string KeyOf(UpstreamCall call) => call.Headers["authorization"]["Bearer ".Length..];
}
