using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Backends.Embedded;
using GrpcLlm.Server.Requests;
using GrpcLlm.Server.Tests.Backends.Embedded.Structured;
using GrpcLlm.V1;
using Microsoft.Extensions.Logging;

namespace GrpcLlm.Server.Tests.Backends.Embedded.Chat;

/// <summary>Conversations on a model with a chat format.</summary>
public sealed class ChatBackendTests : IAsyncDisposable
{
    private const int EndId = 2046;

    private readonly string _path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
    private readonly List<EmbeddedBackend> _backends = [];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        foreach (EmbeddedBackend backend in _backends) await backend.DisposeAsync();
        File.Delete(_path);
    }

    [Fact]
    public async Task Generate_ConversationGrows_ReusesMoreOfItEachTurnAndAnswersAsIfItWereNew()
    {
        EmbeddedBackend backend = Create();
        List<(Role, string)> turns = [(Role.System, "You tell tales of an old king and his castle by the sea, as they were told long ago.")];
        uint known = 0;
        for (int turn = 0; turn < 4; turn++)
        {
            turns.Add((Role.User, "And then? What did the old king say to the girl who came from the sea?"));
            GenerateRequest request = Ask([.. turns]);

            List<BackendEvent> events = await ReadAsync(backend, request);

            Usage usage = events[^1].Ending!.Usage!;
            usage.InputTokens.ShouldBe(events[0].Opening!.InputTokens!.Value);
            if (turn == 0) usage.CachedInputTokens.ShouldBe(0u);
            else usage.CachedInputTokens.ShouldBeGreaterThan(known);
            (usage.CachedInputTokens % 32).ShouldBe(0u);
            known = usage.CachedInputTokens;
            string answer = TextOf(events);
            TextOf(await ReadAsync(Create(new() { PrefixCacheBytes = 0 }), request)).ShouldBe(answer);
            turns.Add((Role.Assistant, answer));
        }
    }

    [Fact]
    public async Task Generate_ModelEndsItsTurn_IsStopWithoutTheMark()
    {
        GenerateRequest request = Ask((Role.User, "Hello"));
        request.Sampling.Temperature = 0;
        request.Sampling.LogitBias[EndId] = 100;
        request.Limits.MinOutputTokens = 3;

        List<BackendEvent> events = await ReadAsync(Create(), request);

        events[^1].Ending!.Reason.ShouldBe(FinishReason.Stop);
        events[^1].Ending!.Usage!.OutputTokens.ShouldBe(3u);
        TextOf(events).ShouldNotContain("im_end");
    }

    [Fact]
    public async Task CountInputTokens_PromptAndConversation_CountWithTheTemplate()
    {
        EmbeddedBackend backend = Create();
        GenerateRequest conversation = Ask((Role.User, "Hello"));
        var prompt = new GenerateRequest { Prompt = "Hello", Limits = new GenerationLimits { MaxOutputTokens = 1 } };

        uint counted = (await backend.CountInputTokensAsync(Call(conversation), Token)).Tokens;

        counted.ShouldBeGreaterThan((uint)TestModels.Model(TestModels.Default).Tokenizer.EncodePrompt("Hello").Length + 6);
        (await backend.CountInputTokensAsync(Call(prompt), Token)).Tokens.ShouldBe(counted);
        (await ReadAsync(backend, prompt))[^1].Ending!.Usage!.InputTokens.ShouldBe(counted);
    }

    [Fact]
    public async Task Generate_ConversationTooLong_IsRefusedWithCounts()
    {
        BackendException error = await Should.ThrowAsync<BackendException>(
            () => ReadAsync(Create(), Ask((Role.User, new string('x', 600)))));
        error.Failure.ShouldBe(BackendFailure.ContextTooLong);
    }

    [Fact]
    public async Task Generate_JsonAndToolsInAConversation_KeepTheirForm()
    {
        EmbeddedBackend backend = Create();
        GenerateRequest json = Ask((Role.System, "Answer in JSON."), (Role.User, "Who?"));
        json.Limits.MaxOutputTokens = 60;
        json.Output = new OutputOptions { ResponseFormat = new ResponseFormat { JsonObject = new JsonObjectFormat() } };
        SchemaValidator.Fault("""{"type":"object"}""", TextOf(await ReadAsync(backend, json))).ShouldBeNull();

        GenerateRequest tool = Ask((Role.User, "Who?"));
        tool.Tools.Add(new Tool { Name = "greet" });
        tool.ToolChoice = new ToolChoice { Mode = ToolChoiceMode.Required };
        List<BackendEvent> events = await ReadAsync(backend, tool);
        events[^1].Ending!.Reason.ShouldBe(FinishReason.ToolCalls);
        events.First(item => item.ToolCall is not null).ToolCall!.Name.ShouldBe("greet");
    }

    [Fact]
    public void Describe_ChatFormat_IsToldAndACapability()
    {
        BackendModel model = Create().Describe("any");
        model.Description.ShouldContain("has a chat format");
        model.Capabilities.ShouldContain(ModelCapability.Conversation);
    }

    [Fact]
    public async Task TemplateNotUnderstood_ConversationsAreRefusedByNameAndPromptsContinued()
    {
        var log = new LastWarning();
        EmbeddedBackend backend = Create(template: "{% macro turn() %}{% endmacro %}", logger: log);
        GenerateRequest prompt = new()
        {
            Prompt = "Once upon a time", Sampling = new() { Temperature = 0 }, Limits = new() { MaxOutputTokens = 5 },
        };

        log.Message.ShouldNotBeNull().ShouldContain("'macro' is not known");
        backend.Describe("any").Description.ShouldContain("'macro' is not known");
        backend.Describe("any").Capabilities.ShouldNotContain(ModelCapability.Conversation);
        Find(backend, prompt).ShouldBeEmpty();
        (await ReadAsync(backend, prompt))[^1].Ending!.Usage!.InputTokens.ShouldBe(6u);
        Violation violation = Find(backend, Chats.Of((Role.System, "s"), (Role.User, "u"))).ShouldHaveSingleItem();
        violation.Field.ShouldBe("conversation.messages");
        violation.Description.ShouldContain("'macro' is not known");
    }

    [Fact]
    public void Find_RolesTheTemplateRefuses_AreNamedInItsWords()
    {
        EmbeddedBackend backend = Create(template: ChatModels.Template("llama2"));
        Find(backend, Chats.Of((Role.System, "s"), (Role.User, "u"))).ShouldBeEmpty();
        Violation violation = Find(backend, Chats.Of((Role.User, "a"), (Role.User, "b"))).ShouldHaveSingleItem();
        violation.Field.ShouldBe("conversation.messages");
        violation.Description.ShouldContain("Conversation roles must alternate");
    }

    [Fact]
    public void Find_MessageTheTemplateLeavesOut_IsNamed()
    {
        EmbeddedBackend backend = Create(template: "{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}");
        Find(backend, Chats.Of((Role.System, "Obey the law."), (Role.User, "u")))
            .ShouldHaveSingleItem().Field.ShouldBe("conversation.messages[0]");
        Find(backend, Chats.Of((Role.System, " "), (Role.User, "u"))).ShouldBeEmpty();
    }

    [Fact]
    public void Find_WhatTheFormatHasNoPlaceFor_IsNamed()
    {
        EmbeddedBackend backend = Create();
        GenerateRequest request = Chats.Of((Role.User, "u"), (Role.Assistant, "a"), (Role.Tool, ""), (Role.Assistant, "b"));
        request.Conversation.Messages[0].Parts.Add(new ContentPart { Image = new Image() });
        request.Conversation.Messages[1].Parts.Add(new ContentPart { ToolCall = new ToolCall() });
        request.Conversation.Messages[1].Parts.Add(new ContentPart { Reasoning = "r" });
        request.Conversation.Messages[1].Parts.Add(new ContentPart { Refusal = "r" });
        request.Conversation.Messages[2].Parts[0] = new ContentPart { ToolResult = new ToolResult() };
        request.Tools.Add(new Tool { Name = "t" });

        Find(backend, request).Select(violation => violation.Field).ShouldBe(
        [
            "conversation.messages[0].parts[1].image", "conversation.messages[1].parts[1].tool_call",
            "conversation.messages[1].parts[2].reasoning", "conversation.messages[1].parts[3].refusal",
            "conversation.messages[2].parts[0].tool_result", "conversation.messages[3].role", "tools",
        ]);
    }

    private EmbeddedBackend Create(EmbeddedBackendOptions? options = null, string? template = null, ILogger? logger = null)
    {
        if (!File.Exists(_path))
            ChatModels.Write(_path, template ?? ChatModels.Template("chatml"), [ChatModels.Start, ChatModels.End]);
        options ??= new EmbeddedBackendOptions();
        options.ModelPath = _path;
        options.Threads = 1;
        var backend = new EmbeddedBackend("embedded", options, logger, TimeProvider.System);
        _backends.Add(backend);
        return backend;
    }

    private static GenerateRequest Ask(params (Role Role, string Text)[] messages)
    {
        GenerateRequest request = Chats.Of(messages);
        request.Sampling.Seed = 4;
        request.Limits.MaxOutputTokens = 20;
        return request;
    }

    private static List<Violation> Find(EmbeddedBackend backend, GenerateRequest request)
    {
        var violations = new Violations();
        backend.FindUnsupported(request, "embedded", violations);
        return [.. violations];
    }

    private static BackendCall Call(GenerateRequest request) => new(request, "embedded");

    private static async Task<List<BackendEvent>> ReadAsync(EmbeddedBackend backend, GenerateRequest request)
    {
        var events = new List<BackendEvent>();
        await foreach (BackendEvent item in backend.GenerateAsync(Call(request), Token)) events.Add(item);
        return events;
    }

    private static string TextOf(IEnumerable<BackendEvent> events) => string.Concat(events.Select(item => item.Text));

    private sealed class LastWarning : ILogger
    {
        public string? Message { get; private set; }

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (logLevel == LogLevel.Warning) Message = formatter(state, exception);
        }
    }
}
