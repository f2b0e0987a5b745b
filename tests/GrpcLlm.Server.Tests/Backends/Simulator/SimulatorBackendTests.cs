using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Backends.Simulator;
using GrpcLlm.Server.Requests;
using GrpcLlm.Server.Tests.Testing;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Backends.Simulator;

public sealed class SimulatorBackendTests
{
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public async Task Generate_WithoutLimit_StopsAfterTheConfiguredTokens()
    {
        var events = await AllAsync(new SimulatorOptions { OutputTokens = 5 }, new GenerateRequest { Prompt = "Ask the water." });

        events[0].Opening.ShouldBe(new BackendOpening
        {
            InputTokens = 4, Seed = events[0].Opening!.Seed, Model = "m", TokenCountSource = UsageSource.Counted,
        });
        events.Skip(1).Take(5).ShouldAllBe(static piece => piece.Kind == BackendEventKind.Text && piece.TokenCount == 1);
        string.Concat(events.Select(static piece => piece.Text)).ShouldBe(" The tide keeps a ledger");
        events.Count.ShouldBe(7);
        events[6].Ending.ShouldBe(new BackendEnding(FinishReason.Stop)
        {
            RawReason = "stop", Usage = new Usage { InputTokens = 4, OutputTokens = 5, Source = UsageSource.Counted },
        });
    }

    [Theory]
    [InlineData(3u, null, 3, FinishReason.Length)]
    [InlineData(400u, null, 400, FinishReason.Length)]
    [InlineData(null, 9u, 9, FinishReason.Stop)]
    [InlineData(null, 2u, 5, FinishReason.Stop)]
    public async Task Generate_Limits_AreKeptExactly(uint? most, uint? least, int tokens, FinishReason reason)
    {
        var limits = new GenerationLimits();
        if (most is { } max) limits.MaxOutputTokens = max;
        if (least is { } min) limits.MinOutputTokens = min;

        var events = await AllAsync(new SimulatorOptions { OutputTokens = 5 }, new GenerateRequest { Prompt = "p", Limits = limits });

        events.Count(static piece => piece.Kind == BackendEventKind.Text).ShouldBe(tokens);
        events[^1].Ending!.Reason.ShouldBe(reason);
        events[^1].Ending!.Usage!.OutputTokens.ShouldBe((uint)tokens);
    }

    [Fact]
    public async Task Generate_AnyNumberOfTokens_IsWhatItsTextCounts()
    {
        foreach (var tokens in new uint[] { 1, 2, 50, 137, 139, 300, 1000 })
        {
            var events = await AllAsync(
                new SimulatorOptions(), new GenerateRequest { Prompt = "p", Limits = new GenerationLimits { MaxOutputTokens = tokens } });

            SimulatorText.Count(string.Concat(events.Select(static piece => piece.Text))).ShouldBe(tokens);
        }
    }

    [Theory]
    [InlineData("", 0)]
    [InlineData("word", 1)]
    [InlineData(" word", 1)]
    [InlineData("two words", 2)]
    [InlineData("Ends. Here", 3)]
    [InlineData("it's", 3)]
    [InlineData("?!", 2)]
    public void Count_IsWordsAndMarks(string text, int tokens) => SimulatorText.Count(text).ShouldBe((uint)tokens);

    [Fact]
    public async Task CountInput_OfAConversation_IsTheSumOfItsTexts()
    {
        var request = new GenerateRequest
        {
            Conversation = new Conversation
            {
                Messages =
                {
                    new ConversationMessage { Parts = { new ContentPart { Text = "two words" }, new ContentPart { Reasoning = "x" } } },
                    new ConversationMessage { Parts = { new ContentPart { Refusal = "no." } } },
                },
            },
        };

        (await Backend(new SimulatorOptions()).CountInputTokensAsync(new BackendCall(request, "m"), CancellationToken.None))
            .ShouldBe(new InputTokenCount(5, UsageSource.Counted));
    }

    [Fact]
    public async Task Generate_Paced_GivesEachTokenAtItsTime()
    {
        var options = new SimulatorOptions
        {
            TimeToFirstToken = TimeSpan.FromMilliseconds(100),
            PrefillTimePerToken = TimeSpan.FromMilliseconds(10),
            InterTokenLatency = TimeSpan.FromMilliseconds(20),
        };
        await using var events = Start(options, new GenerateRequest { Prompt = "two words" });
        (await events.MoveNextAsync()).ShouldBeTrue();

        foreach (var milliseconds in new[] { 120, 20, 20 })
        {
            var next = events.MoveNextAsync().AsTask();
            _time.Advance(TimeSpan.FromMilliseconds(milliseconds - 1));
            next.IsCompleted.ShouldBeFalse();
            _time.Advance(TimeSpan.FromMilliseconds(1));
            (await next).ShouldBeTrue();
        }
    }

    [Fact]
    public async Task Generate_LateReader_GetsWhatIsDueAtOnceAndNoDelayBehindIt()
    {
        await using var events = Start(
            new SimulatorOptions { InterTokenLatency = TimeSpan.FromMilliseconds(20) }, new GenerateRequest { Prompt = "p" });
        await events.MoveNextAsync();
        await events.MoveNextAsync();

        _time.Advance(TimeSpan.FromMilliseconds(50));

        events.MoveNextAsync().AsTask().IsCompletedSuccessfully.ShouldBeTrue();
        events.MoveNextAsync().AsTask().IsCompletedSuccessfully.ShouldBeTrue();
        var third = events.MoveNextAsync().AsTask();
        third.IsCompleted.ShouldBeFalse();
        _time.Advance(TimeSpan.FromMilliseconds(10));
        (await third).ShouldBeTrue();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(20)]
    public async Task Generate_Cancelled_EndsAtOnce(int latency)
    {
        using var source = new CancellationTokenSource();
        await using var events = Start(
            new SimulatorOptions { InterTokenLatency = TimeSpan.FromMilliseconds(latency) },
            new GenerateRequest { Prompt = "p" }, source);
        await events.MoveNextAsync();
        await events.MoveNextAsync();
        var next = latency > 0 ? events.MoveNextAsync().AsTask() : null;

        await source.CancelAsync();

        (await (next ?? events.MoveNextAsync().AsTask())).ShouldBeFalse();
        _time.ArmedTimers.ShouldBe(0);
    }

    [Fact]
    public async Task Generate_RequestsSeed_IsTold()
    {
        var events = await AllAsync(
            new SimulatorOptions { Seed = 3 },
            new GenerateRequest { Prompt = "p", Sampling = new SamplingOptions { Seed = -9 }, Limits = new GenerationLimits { MaxOutputTokens = 1 } });

        events[0].Opening!.Seed.ShouldBe(-9);
    }

    [Fact]
    public void FindUnsupported_Ordinary_IsNothing() =>
        Unsupported(new GenerateRequest
        {
            Prompt = "p",
            Sampling = new SamplingOptions { Temperature = 0.5, Seed = 1, TopK = 3 },
            Limits = new GenerationLimits { MaxOutputTokens = 1, StopSequences = { "x" } },
            Output = new OutputOptions { Progress = true, ResponseFormat = new ResponseFormat { Text = new TextFormat() } },
            Reasoning = new ReasoningOptions { Effort = ReasoningEffort.None, BudgetTokens = 0 },
            ProviderOptionsJson = { ["openai"] = "{}" },
        }).ShouldBeEmpty();

    [Fact]
    public void FindUnsupported_EveryFieldThatNeedsAModel_IsNamed()
    {
        var image = new ContentPart { Image = new Image { Url = "https://example.com" } };

        Unsupported(new GenerateRequest
        {
            Conversation = new Conversation { Messages = { new ConversationMessage { Parts = { image } } } },
            Tools = { new Tool { Name = "t" } },
            ToolChoice = new ToolChoice { Mode = ToolChoiceMode.Required },
            Reasoning = new ReasoningOptions { Effort = ReasoningEffort.Low },
            Sampling = new SamplingOptions { LogitBias = { [1] = 1 } },
            ProviderOptionsJson = { ["simulator"] = "{}" },
            Output = new OutputOptions
            {
                Logprobs = true, TopLogprobs = 1, TokenIds = true,
                ResponseFormat = new ResponseFormat { JsonObject = new JsonObjectFormat() },
            },
        }).ShouldBe(
            [
                "tools", "tool_choice", "reasoning", "provider_options_json[simulator]", "sampling.logit_bias", "conversation",
                "output.logprobs", "output.top_logprobs", "output.token_ids", "output.response_format",
            ],
            ignoreOrder: true);
    }

    [Fact]
    public void FindUnsupported_ImageInAToolResult_IsNamed() =>
        Unsupported(new GenerateRequest
        {
            Conversation = new Conversation
            {
                Messages =
                {
                    new ConversationMessage
                    {
                        Role = Role.Tool,
                        Parts =
                        {
                            new ContentPart
                            {
                                ToolResult = new ToolResult
                                {
                                    ToolCallId = "1", Parts = { new ContentPart { Image = new Image { Url = "https://example.com" } } },
                                },
                            },
                        },
                    },
                },
            },
        }).ShouldBe(["conversation"]);

    [Fact]
    public void FindUnsupported_ReasoningBudget_IsNamed() =>
        Unsupported(new GenerateRequest { Prompt = "p", Reasoning = new ReasoningOptions { BudgetTokens = 1 } }).ShouldBe(["reasoning"]);

    private SimulatorBackend Backend(SimulatorOptions options) => new("sim", options, _time);

    private List<string> Unsupported(GenerateRequest request)
    {
        var violations = new Violations();
        Backend(new SimulatorOptions()).FindUnsupported(request, "m", violations);
        return [.. violations.Select(static one => one.Field)];
    }

    private IAsyncEnumerator<BackendEvent> Start(
        SimulatorOptions options, GenerateRequest request, CancellationTokenSource? source = null)
    {
        var token = source?.Token ?? TestContext.Current.CancellationToken;
        return Backend(options).GenerateAsync(new BackendCall(request, "m"), token).GetAsyncEnumerator(token);
    }

    private async Task<List<BackendEvent>> AllAsync(SimulatorOptions options, GenerateRequest request)
    {
        var events = new List<BackendEvent>();
        await foreach (var piece in Backend(options).GenerateAsync(new BackendCall(request, "m"), CancellationToken.None))
            events.Add(piece);
        return events;
    }
}
