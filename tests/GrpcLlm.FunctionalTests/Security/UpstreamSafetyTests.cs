using System.Net;
using System.Net.Sockets;
using Google.Protobuf;
using Grpc.Core;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.FunctionalTests.Upstreams;
using GrpcLlm.V1;

namespace GrpcLlm.FunctionalTests.Security;

/// <summary>What a caller can make the service send, and where to: to the configured backend alone, nothing but the request.</summary>
public sealed class UpstreamSafetyTests
{
    private const string Evil = "evil-7343";

    [Fact]
    public async Task ImageUrl_IsNeverFetched()
    {
        using var bait = new TcpListener(IPAddress.Loopback, 0);
        bait.Start();
        var url = $"https://127.0.0.1:{((IPEndPoint)bait.LocalEndpoint).Port}/{Evil}.png";
        await using var upstream = TestUpstream.Of(OpenAiSetup.Sse(OpenAiSetup.Text("a"), OpenAiSetup.Stop));
        await using var server = await OpenAiSetup.StartAsync(upstream);
        var message = new ConversationMessage { Role = Role.User, Parts = { new ContentPart { Image = new Image { Url = url } } } };

        var answer = await Answer.OfAsync(server, new GenerateRequest { Conversation = new Conversation { Messages = { message } } });

        answer.Text.ShouldBe("a");
        (await upstream.NextCallAsync()).BodyText.ShouldContain(url);
        bait.Pending().ShouldBeFalse();
    }

    /// <summary>A redirect would carry prompt and key to where nobody configured.</summary>
    [Theory]
    [InlineData(301)]
    [InlineData(302)]
    [InlineData(307)]
    [InlineData(308)]
    public async Task Redirect_IsNotFollowed(int status)
    {
        using var bait = new TcpListener(IPAddress.Loopback, 0);
        bait.Start();
        await using var upstream = TestUpstream.Of(
            "", status: status, headers: ("location", $"http://127.0.0.1:{((IPEndPoint)bait.LocalEndpoint).Port}/"));
        await using var server = await OpenAiSetup.StartAsync(upstream);

        var answer = await Answer.OfAsync(server, OpenAiSetup.Prompt);

        answer.Status.StatusCode.ShouldNotBe(StatusCode.OK);
        answer.Chunks.ShouldBeEmpty();
        bait.Pending().ShouldBeFalse();
    }

    /// <summary>Header injection: of what a caller sends beside the message, nothing becomes a header or a path upstream.</summary>
    [Fact]
    public async Task CallersMetadata_ReachesNoUpstream()
    {
        await using var upstream = TestUpstream.Of(OpenAiSetup.Sse(OpenAiSetup.Text("a"), OpenAiSetup.Stop));
        await using var server = await OpenAiSetup.StartAsync(upstream);

        var answer = await RawCall.OfAsync(
            server, ("x-api-key", Evil), ("authorization", $"Bearer {Evil}"), ("cookie", Evil), ("baggage", $"user={Evil}"),
            ("x-forwarded-for", Evil), ("user-agent", Evil), (":authority", Evil), ("referer", Evil), ("accept-encoding", Evil));

        answer.Status.ShouldBe(StatusCode.OK);
        var call = await upstream.NextCallAsync();
        call.Path.ShouldBe("/v1/chat/completions");
        call.Headers["authorization"].ShouldBe($"Bearer {OpenAiSetup.Key}");
        call.Headers.ShouldAllBe(static header => !header.Value.Contains(Evil));
        call.BodyText.ShouldNotContain(Evil);
    }

    /// <summary>Strings of the message stay strings of the JSON, whatever is in them.</summary>
    [Fact]
    public async Task HostileStrings_StayInTheJsonBody()
    {
        const string hostile = "\r\nx-injected: 1\r\n\r\nPOST /evil HTTP/1.1\u0000\"}],\"model\":\"evil\",\"n\":9,\"x\":[{\"y\":\"";
        await using var upstream = TestUpstream.Of(OpenAiSetup.Sse(OpenAiSetup.Text("a"), OpenAiSetup.Stop));
        await using var server = await OpenAiSetup.StartAsync(upstream);

        var answer = await RawCall.OfAsync(
            server, RawHttp2Connection.Message(new GenerateRequest { Prompt = hostile, EndUserId = "user" }.ToByteArray()));

        answer.Status.ShouldBe(StatusCode.OK);
        var call = await upstream.NextCallAsync();
        call.Headers.ShouldNotContainKey("x-injected");
        using var body = System.Text.Json.JsonDocument.Parse(call.Body);
        body.RootElement.GetProperty("model").GetString().ShouldBe("m");
        body.RootElement.TryGetProperty("n", out _).ShouldBeFalse();
        body.RootElement.GetProperty("messages")[0].GetProperty("content").GetString().ShouldBe(hostile);
        upstream.Connections.ShouldBe(1);
    }
}
