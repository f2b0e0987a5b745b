using Google.Rpc;
using Grpc.Core;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.Server.Tests.Backends.Embedded.Chat;
using GrpcLlm.V1;

namespace GrpcLlm.FunctionalTests;

/// <summary>A model file with a chat template behind the real service.</summary>
public sealed class EmbeddedChatTests : IDisposable
{
    private readonly string _path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());

    public EmbeddedChatTests() =>
        ChatModels.Write(_path, ChatModels.Template("chatml"), [ChatModels.Start, ChatModels.End]);

    public void Dispose() => File.Delete(_path);

    [Fact]
    public async Task ConversationGrows_CachedInputTokensRise_AndCountTokensCountsTheSame()
    {
        await using var server = await StartAsync();
        var conversation = new Conversation();
        Say(conversation, Role.System, "You tell tales of an old king and his castle by the sea, as they were told long ago.");
        var cached = new List<uint>();
        for (var turn = 0; turn < 3; turn++)
        {
            Say(conversation, Role.User, "And then? What did the old king say to the girl who came from the sea?");
            var counted = await server.Client.CountTokensAsync(
                new CountTokensRequest { Conversation = conversation }, cancellationToken: TestContext.Current.CancellationToken);

            var answer = await Answer.OfAsync(server, new GenerateRequest
            {
                Conversation = conversation,
                Sampling = new SamplingOptions { Seed = turn },
                Limits = new GenerationLimits { MaxOutputTokens = 20, MinOutputTokens = 20 },
            });

            answer.Status.ShouldBe(Grpc.Core.Status.DefaultSuccess);
            answer.Finish.Usage.InputTokens.ShouldBe(counted.InputTokens);
            cached.Add(answer.Finish.Usage.CachedInputTokens);
            Say(conversation, Role.Assistant, answer.Text);
        }

        cached[0].ShouldBe(0u);
        cached.ShouldBeInOrder(SortDirection.Ascending);
        cached.Distinct().Count().ShouldBe(3);
    }

    [Fact]
    public async Task ListModels_SaysThatItTakesConversations()
    {
        await using var server = await StartAsync();
        var models = await server.Client.ListModelsAsync(new ListModelsRequest(), cancellationToken: TestContext.Current.CancellationToken);
        var model = models.Models.Single(one => one.Name == "embedded");
        model.Capabilities.ShouldContain(ModelCapability.Conversation);
        model.Description.ShouldContain("has a chat format");
    }

    [Fact]
    public async Task AssistantSpokeLast_IsInvalidByName()
    {
        await using var server = await StartAsync();
        var conversation = new Conversation();
        Say(conversation, Role.User, "Hello");
        Say(conversation, Role.Assistant, "Hel");

        var answer = await Answer.OfAsync(server, new GenerateRequest { Conversation = conversation });

        answer.Status.StatusCode.ShouldBe(StatusCode.InvalidArgument);
        answer.Detail<BadRequest>().FieldViolations.ShouldHaveSingleItem().Field.ShouldBe("conversation.messages[1].role");
    }

    private Task<LlmServer> StartAsync() => LlmServer.StartAsync($"GrpcLlm:Backends:embedded:ModelPath={_path}");

    private static void Say(Conversation conversation, Role role, string text) =>
        conversation.Messages.Add(new ConversationMessage { Role = role, Parts = { new ContentPart { Text = text } } });
}
