using System.Text;
using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Backends.Embedded;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Backends.Embedded;

public sealed class EmbeddedBackendTests : IAsyncDisposable
{
    private const string Prompt = "Once upon a time";

    private readonly EmbeddedBackend _backend = Create(new EmbeddedBackendOptions { Threads = 2 });

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public ValueTask DisposeAsync() => _backend.DisposeAsync();

    [Fact]
    public async Task Construct_WarmUp_LeavesNoPagesBehind()
    {
        await _backend.Engine.WarmUp;

        _backend.Engine.Pages.PagesInUse.ShouldBe(0);
        _backend.Engine.Pages.PagesCached.ShouldBe(0);
    }

    [Fact]
    public async Task Generate_Greedy_GivesReferenceText()
    {
        ReferencePrompt reference = TestModels.Vectors(TestModels.Default).Prompts[0];
        var request = Request(reference.Text, 20);
        request.Sampling = new SamplingOptions { Temperature = 0 };

        List<BackendEvent> events = await ReadAsync(_backend, request);

        TextOf(events).ShouldBe(reference.GreedyText);
        events[0].Kind.ShouldBe(BackendEventKind.Opened);
        events[0].Opening!.InputTokens.ShouldBe((uint)reference.Ids.Length);
        events[0].Opening!.Model.ShouldBe("grpcllm-tales-3m");
        events[0].Opening!.TokenCountSource.ShouldBe(UsageSource.Counted);
        events.Count(item => item.Kind == BackendEventKind.Text).ShouldBe(20);
        events.Sum(item => item.TokenCount).ShouldBe(20);
        BackendEnding ending = events[^1].Ending!;
        ending.Reason.ShouldBe(FinishReason.Length);
        ending.Usage.ShouldBe(new Usage
        {
            InputTokens = 6, CachedInputTokens = 0, OutputTokens = 20, Source = UsageSource.Counted,
        });
    }

    [Fact]
    public async Task Generate_SameSeedTwice_GivesSameText()
    {
        string first = TextOf(await ReadAsync(_backend, Request(Prompt, 60, seed: 7)));
        string second = TextOf(await ReadAsync(_backend, Request(Prompt, 60, seed: 7)));
        string other = TextOf(await ReadAsync(_backend, Request(Prompt, 60, seed: 8)));
        second.ShouldBe(first);
        other.ShouldNotBe(first, StringComparer.Ordinal);
    }

    [Fact]
    public async Task Generate_BesideSixteenOthers_GivesSameTextAsAlone()
    {
        string alone = TextOf(await ReadAsync(_backend, Request(Prompt, 60, seed: 7)));

        Task<List<BackendEvent>>[] others =
            [.. Enumerable.Range(100, 16).Select(seed =>
                ReadAsync(_backend, Request($"The old king said {seed}", 60, seed)))];
        string beside = TextOf(await ReadAsync(_backend, Request(Prompt, 60, seed: 7)));
        await Task.WhenAll(others);

        beside.ShouldBe(alone);
    }

    [Fact]
    public async Task Generate_WithoutSeed_ReportsSeedThatGivesTheSameText()
    {
        List<BackendEvent> drawn = await ReadAsync(_backend, Request(Prompt, 40));
        long seed = drawn[0].Opening!.Seed!.Value;

        seed.ShouldBeInRange(0, int.MaxValue);
        TextOf(await ReadAsync(_backend, Request(Prompt, 40, seed))).ShouldBe(TextOf(drawn));
    }

    [Fact]
    public async Task Generate_ModelEnds_FinishesWithStopAndDoesNotCountTheEnd()
    {
        GenerateRequest request = Request(Prompt, 50);
        request.Sampling = new SamplingOptions { Temperature = 0 };
        request.Sampling.LogitBias[2047] = 100;
        request.Limits.MinOutputTokens = 3;

        List<BackendEvent> events = await ReadAsync(_backend, request);

        events[^1].Ending!.Reason.ShouldBe(FinishReason.Stop);
        events[^1].Ending!.RawReason.ShouldBe("eos");
        events[^1].Ending!.Usage!.OutputTokens.ShouldBe(3u);
        TextOf(events).ShouldNotContain("endoftext");
    }

    [Fact]
    public async Task Generate_WindowFills_FinishesWithContextLength()
    {
        await using EmbeddedBackend small = Create(new EmbeddedBackendOptions { Threads = 1, ContextWindow = 40 });
        GenerateRequest request = Request(Prompt, null, seed: 3);
        request.Limits = new GenerationLimits { MinOutputTokens = 1000 };

        List<BackendEvent> events = await ReadAsync(small, request);

        events[^1].Ending!.Reason.ShouldBe(FinishReason.ContextLength);
        events[^1].Ending!.Usage!.OutputTokens.ShouldBe(34u);
    }

    [Fact]
    public async Task Generate_OwnLimitFillsWindow_FinishesWithLength()
    {
        await using EmbeddedBackend small = Create(new EmbeddedBackendOptions { Threads = 1, ContextWindow = 10 });
        GenerateRequest request = Request(Prompt, 4, seed: 3);
        request.Limits.MinOutputTokens = 4;
        (await ReadAsync(small, request))[^1].Ending!.Reason.ShouldBe(FinishReason.Length);
    }

    [Fact]
    public async Task Generate_PromptFillsWindow_FinishesWithoutAToken()
    {
        await using EmbeddedBackend small = Create(new EmbeddedBackendOptions { Threads = 1, ContextWindow = 6 });
        List<BackendEvent> events = await ReadAsync(small, Request(Prompt, 10));
        events.Select(item => item.Kind).ShouldBe([BackendEventKind.Opened, BackendEventKind.Finished]);
        events[^1].Ending!.Reason.ShouldBe(FinishReason.ContextLength);
    }

    [Theory]
    [InlineData(600, "the prompt has 601 tokens; the context window has 512")]
    [InlineData(1_000_000, "the prompt has at least")]
    public async Task Generate_PromptTooLong_IsRefusedWithCounts(int length, string message)
    {
        BackendException error = await Should.ThrowAsync<BackendException>(() =>
            ReadAsync(_backend, Request(new string('x', length), 10)));
        error.Failure.ShouldBe(BackendFailure.ContextTooLong);
        error.Message.ShouldStartWith(message);
    }

    [Fact]
    public async Task Generate_LongPrompt_CountsItsTokensExactly()
    {
        string text = string.Concat(Enumerable.Repeat("The king went home. ", 60)).TrimEnd();
        uint counted = (await _backend.CountInputTokensAsync(Call(Request(text, 1)), Token)).Tokens;
        List<BackendEvent> events = await ReadAsync(_backend, Request(text, 1));
        events[0].Opening!.InputTokens.ShouldBe(counted);
        events[^1].Ending!.Usage!.InputTokens.ShouldBe(counted);
    }

    [Fact]
    public async Task Generate_IncompleteCharacters_AreHeldAndReplacedOnce()
    {
        GenerateRequest request = Request(Prompt, 3);
        request.Sampling = new SamplingOptions { Temperature = 0 };
        request.Sampling.LogitBias[127] = 100; // the byte 0xC3, which begins a character of two

        List<BackendEvent> events = await ReadAsync(_backend, request);

        // Every further 0xC3 proves the one before it invalid; the last is flushed at the end.
        events.Where(item => item.Kind == BackendEventKind.Text).Select(item => (item.Text, item.TokenCount))
            .ShouldBe([("", 1u), ("\uFFFD", 1u), ("\uFFFD", 1u), ("\uFFFD", 0u)]);
    }

    [Fact]
    public async Task Generate_DetailsNotAsked_HasNone()
    {
        List<BackendEvent> events = await ReadAsync(_backend, Request(Prompt, 3));
        events.ShouldAllBe(item => item.Tokens == null);
    }

    [Fact]
    public async Task Generate_TokenIds_TellsIdsOnly()
    {
        GenerateRequest request = Request(Prompt, 3);
        request.Sampling = new SamplingOptions { Temperature = 0 };
        request.Output = new OutputOptions { TokenIds = true };
        List<BackendEvent> events = await ReadAsync(_backend, request);
        TokenDetail[] details = DetailsOf(events);
        details.Select(detail =>
            (int)detail.Id).ShouldBe(TestModels.Vectors(TestModels.Default).Prompts[0].GreedyIds.Take(3));
        details.ShouldAllBe(detail => !detail.HasLogprob && detail.RawBytes.IsEmpty && detail.Alternatives.Count == 0);
    }

    [Fact]
    public async Task Generate_TopLogprobs_TellsTheModelsOwnProbabilitiesBestFirst()
    {
        ReferencePrompt reference = TestModels.Vectors(TestModels.Default).Prompts[0];
        double logSum = Math.Log(reference.Logits!.Sum(logit => Math.Exp(logit)));
        GenerateRequest request = Request(Prompt, 1, seed: 5);
        request.Sampling.Temperature = 2; // no influence, nor have penalties and bias
        request.Sampling.RepetitionPenalty = 2;
        request.Sampling.LogitBias[11] = 100;
        request.Output = new OutputOptions { TopLogprobs = 20, TokenIds = true };

        TokenDetail detail = DetailsOf(await ReadAsync(_backend, request)).ShouldHaveSingleItem();

        detail.Id.ShouldBe(11u);
        detail.RawBytes.ToStringUtf8().ShouldBe(",");
        ((double)detail.Logprob).ShouldBe(reference.Logits![11] - logSum, 0.01);
        detail.Alternatives.Select(alternative => (int)alternative.Id).ShouldBe(reference.Top20.Select(entry =>
            (int)entry[0]));
        for (int i = 0; i < 20; i++)
            ((double)detail.Alternatives[i].Logprob).ShouldBe(reference.Top20[i][1] - logSum, 0.01);
    }

    [Fact]
    public async Task Generate_SlotsAndQueueFull_IsOverloadedAndReportsPlaces()
    {
        await using EmbeddedBackend narrow =
            Create(new EmbeddedBackendOptions { Threads = 1, MaxConcurrent = 1, MaxQueue = 2 });
        IAsyncEnumerator<BackendEvent> first = Start(narrow, Request(Prompt, 5));
        IAsyncEnumerator<BackendEvent> second = Start(narrow, Request(Prompt, 5));
        IAsyncEnumerator<BackendEvent> third = Start(narrow, Request(Prompt, 5));
        (await NextAsync(first)).Kind.ShouldBe(BackendEventKind.Opened);
        (await NextAsync(second)).QueuePosition.ShouldBe(1u);
        (await NextAsync(third)).QueuePosition.ShouldBe(2u);

        BackendException error = await Should.ThrowAsync<BackendException>(() => ReadAsync(narrow, Request(Prompt, 5)));
        error.Failure.ShouldBe(BackendFailure.Overloaded);

        await second.DisposeAsync();
        (await NextAsync(third)).QueuePosition.ShouldBe(1u);
        await first.DisposeAsync();
        (await NextAsync(third)).Kind.ShouldBe(BackendEventKind.Opened);
        await third.DisposeAsync();
        narrow.Slots.FreeSlots.ShouldBe(1);
    }

    [Fact]
    public async Task Generate_CancelledWhileQueued_LeavesAtOnce()
    {
        await using EmbeddedBackend narrow = Create(new EmbeddedBackendOptions { Threads = 1, MaxConcurrent = 1 });
        await using IAsyncEnumerator<BackendEvent> holder = Start(narrow, Request(Prompt, 5));
        await NextAsync(holder);
        using var cancel = new CancellationTokenSource();
        await using IAsyncEnumerator<BackendEvent> waiter = Start(narrow, Request(Prompt, 5), cancel.Token);
        await NextAsync(waiter);
        Task<bool> pending = waiter.MoveNextAsync().AsTask();

        await cancel.CancelAsync();

        (await pending).ShouldBeFalse();
        narrow.Slots.Waiting.ShouldBe(0);
    }

    [Fact]
    public async Task Generate_CancelledBetweenTokens_ReturnsSlotAndMemory()
    {
        using var cancel = new CancellationTokenSource();
        await using IAsyncEnumerator<BackendEvent> stream = Start(_backend, Request(Prompt, 100), cancel.Token);
        await NextAsync(stream);
        await NextAsync(stream);
        _backend.Engine.Pages.PagesInUse.ShouldBe(1);

        await cancel.CancelAsync();

        (await stream.MoveNextAsync()).ShouldBeFalse();
        _backend.Engine.Pages.PagesInUse.ShouldBe(0);
        _backend.Slots.FreeSlots.ShouldBe(64);
    }

    [Fact]
    public async Task Generate_CancelledAndDisposedAtAnyPoint_ReturnsEverything()
    {
        var random = new Random(1);
        await Parallel.ForEachAsync(Enumerable.Range(0, 80), Token, async (i, _) =>
        {
            int events, kind;
            lock (random) (events, kind) = (random.Next(8), random.Next(3));
            using var cancel = new CancellationTokenSource();
            await using IAsyncEnumerator<BackendEvent> stream =
                Start(_backend, Request(new string('x', 100), 6), cancel.Token);
            while (events-- > 0 && await stream.MoveNextAsync())
            {
            }

            if (kind == 0) return;
            if (kind == 1) await cancel.CancelAsync();
            ValueTask<bool> pending = stream.MoveNextAsync();
            await cancel.CancelAsync();
            await pending;
        });

        _backend.Engine.Pages.PagesInUse.ShouldBe(0);
        _backend.Slots.FreeSlots.ShouldBe(64);
        _backend.Slots.Waiting.ShouldBe(0);
    }

    [Fact]
    public async Task Generate_MoreStreamsThanSlots_AllFinish()
    {
        await using EmbeddedBackend narrow = Create(new EmbeddedBackendOptions { Threads = 2, MaxConcurrent = 3 });
        List<BackendEvent>[] all = await Task.WhenAll(Enumerable.Range(0, 20).Select(seed =>
            ReadAsync(narrow, Request(Prompt, 10, seed))));
        all.Select(events => events[^1].Kind).Distinct().ShouldBe([BackendEventKind.Finished]);
        narrow.Engine.Pages.PagesInUse.ShouldBe(0);
        narrow.Slots.FreeSlots.ShouldBe(3);
    }

    [Fact]
    public async Task Generate_MemoryBudgetForOneStream_QueuesTheSecond()
    {
        // One full window of the model that comes with the service: 16 pages.
        LlamaShape shape = TestModels.Model(TestModels.Default).Network.Shape;
        long window = 16 * KvPagePool.PageBytesOf(shape, KeyValuePrecision.F16);
        await using EmbeddedBackend tight =
            Create(new EmbeddedBackendOptions { Threads = 1, MemoryBudgetBytes = window });
        await using IAsyncEnumerator<BackendEvent> large = Start(tight, Request(Prompt, null));
        (await NextAsync(large)).Kind.ShouldBe(BackendEventKind.Opened);
        await using IAsyncEnumerator<BackendEvent> small = Start(tight, Request(Prompt, 1));
        (await NextAsync(small)).QueuePosition.ShouldBe(1u);
        await large.DisposeAsync();
        (await NextAsync(small)).Kind.ShouldBe(BackendEventKind.Opened);
    }

    [Fact]
    public async Task Dispose_StreamsWaitAndRun_TheyFailAndReturnTheirMemory()
    {
        EmbeddedBackend backend = Create(new EmbeddedBackendOptions { Threads = 1, MaxConcurrent = 1 });
        await using IAsyncEnumerator<BackendEvent> running = Start(backend, Request(Prompt, 100));
        await NextAsync(running);
        await NextAsync(running);
        await using IAsyncEnumerator<BackendEvent> queued = Start(backend, Request(Prompt, 100));
        await NextAsync(queued);
        Task<bool> pending = queued.MoveNextAsync().AsTask();

        await backend.DisposeAsync();

        (await Should.ThrowAsync<BackendException>(() => pending)).Failure.ShouldBe(BackendFailure.Unavailable);
        (await Should.ThrowAsync<BackendException>(async () =>
            await running.MoveNextAsync())).Failure.ShouldBe(BackendFailure.Unavailable);
        (await Should.ThrowAsync<BackendException>(() =>
            ReadAsync(backend, Request(Prompt, 1)))).Failure.ShouldBe(BackendFailure.Unavailable);
        backend.Engine.Pages.PagesInUse.ShouldBe(0);
        backend.Slots.FreeSlots.ShouldBe(1);
    }

    [Fact]
    public async Task CountInputTokens_PromptTooLong_IsCountedUpToAMebibyte()
    {
        BackendCall tooLong = Call(Request(new string('x', 10_000), 1));
        (await _backend.CountInputTokensAsync(tooLong, Token)).Tokens.ShouldBe(10_001u);
        BackendException error = await Should.ThrowAsync<BackendException>(
            async () => await _backend.CountInputTokensAsync(Call(Request(new string('x', (1 << 20) + 1), 1)), Token));
        error.Failure.ShouldBe(BackendFailure.ContextTooLong);
    }

    [Fact]
    public async Task CountInputTokens_PromptAndConversation_CountTheSame()
    {
        var conversation = new Conversation();
        conversation.Messages.Add(new ConversationMessage { Role = Role.User });
        conversation.Messages[0].Parts.Add(new ContentPart { Text = "Once upon" });
        conversation.Messages[0].Parts.Add(new ContentPart { Text = " a time" });

        InputTokenCount prompt = await _backend.CountInputTokensAsync(Call(Request(Prompt, 1)), Token);
        var request = new GenerateRequest { Conversation = conversation };
        InputTokenCount message = await _backend.CountInputTokensAsync(Call(request), Token);

        prompt.ShouldBe(new InputTokenCount(6, UsageSource.Counted));
        message.ShouldBe(prompt);
    }

    [Fact]
    public void Describe_DefaultModel_SaysWhatItIs()
    {
        BackendModel model = _backend.Describe("any");
        model.Description.ShouldContain("very small language model");
        model.Description.ShouldContain("no chat format");
        model.ContextWindow.ShouldBe(512u);
        model.Description.ShouldContain("only when it must");
        model.Capabilities.ShouldBe(
        [
            ModelCapability.Tools, ModelCapability.JsonObject, ModelCapability.JsonSchema, ModelCapability.Logprobs,
            ModelCapability.TokenIds, ModelCapability.Seed,
        ]);
        model.InputModalities.ShouldBe([Modality.Text]);
        model.OutputModalities.ShouldBe([Modality.Text]);
    }

    [Theory]
    [InlineData(0, 1L << 20, "MemoryBudgetBytes")]
    [InlineData(513, 1L << 30, "ContextWindow")]
    public void Construct_OptionsDoNotFitTheModel_NamesTheOption(int window, long budget, string option)
    {
        EmbeddedModelException error = Should.Throw<EmbeddedModelException>(() =>
            Create(new EmbeddedBackendOptions { Threads = 1, ContextWindow = window, MemoryBudgetBytes = budget }));
        error.Message.ShouldStartWith(option);
    }

    [Fact]
    public async Task Generate_ConversationGoesOn_ReusesItsPrefixAndGivesTheSameText()
    {
        string story = string.Concat(Enumerable.Repeat("The old king went home to his castle. ", 12)).TrimEnd();
        BackendCall asked = Call(Request(story, 40, seed: 7));
        List<BackendEvent> first = await ReadAsync(_backend, asked);
        BackendCall goesOn = Call(Request(story + TextOf(first), 20, seed: 8));

        List<BackendEvent> second = await ReadAsync(_backend, goesOn);

        Usage usage = second[^1].Ending!.Usage!;
        first[^1].Ending!.Usage!.CachedInputTokens.ShouldBe(0u);
        usage.CachedInputTokens.ShouldBeGreaterThan(first[^1].Ending!.Usage!.InputTokens - 32);
        (usage.CachedInputTokens % 32).ShouldBe(0u);
        await using EmbeddedBackend fresh = Create(new EmbeddedBackendOptions { Threads = 1, PrefixCacheBytes = 0 });
        for (int i = 0; i < 2; i++)
        {
            List<BackendEvent> computed = await ReadAsync(fresh, goesOn);
            TextOf(computed).ShouldBe(TextOf(second));
            computed[^1].Ending!.Usage!.CachedInputTokens.ShouldBe(0u);
        }

        List<BackendEvent> others = await ReadAsync(_backend, goesOn with { Tenant = "another" });
        others[^1].Ending!.Usage!.CachedInputTokens.ShouldBe(0u);
        TextOf(others).ShouldBe(TextOf(second));
    }

    [Fact]
    public async Task Generate_MemoryHoldsOneStreamAndIsFullOfPrefixes_AdmitsAsIfThereWereNone()
    {
        LlamaShape shape = TestModels.Model(TestModels.Default).Network.Shape;
        long window = 16 * KvPagePool.PageBytesOf(shape, KeyValuePrecision.F16);
        await using EmbeddedBackend tight =
            Create(new EmbeddedBackendOptions { Threads = 1, MemoryBudgetBytes = window });
        for (int i = 0; i < 3; i++)
        {
            GenerateRequest request = Request(new string((char)('a' + i), 400), 100, seed: 1);
            request.Limits.MinOutputTokens = 100;
            List<BackendEvent> events = await ReadAsync(tight, request);
            events[0].Kind.ShouldBe(BackendEventKind.Opened);
            events[^1].Ending!.Usage!.OutputTokens.ShouldBe(100u);
            tight.Engine.Pages.PagesInUse.ShouldBe(0);
            tight.Engine.Pages.PagesCached.ShouldBe(15);
        }
    }

    private static EmbeddedBackend Create(EmbeddedBackendOptions options) =>
        new("embedded", options, null, TimeProvider.System);

    private static BackendCall Call(GenerateRequest request) => new(request, "embedded");

    private static GenerateRequest Request(string prompt, uint? maxOutput, long? seed = null)
    {
        var request = new GenerateRequest
        {
            Prompt = prompt,
            Limits = new GenerationLimits(),
            Sampling = new SamplingOptions(),
        };
        if (maxOutput is { } max) request.Limits.MaxOutputTokens = max;
        if (seed is { } value) request.Sampling.Seed = value;
        return request;
    }

    private static Task<List<BackendEvent>> ReadAsync(EmbeddedBackend backend, GenerateRequest request) =>
        ReadAsync(backend, Call(request));

    private static async Task<List<BackendEvent>> ReadAsync(EmbeddedBackend backend, BackendCall call)
    {
        var events = new List<BackendEvent>();
        await foreach (BackendEvent item in backend.GenerateAsync(call, Token)) events.Add(item);
        return events;
    }

    private static IAsyncEnumerator<BackendEvent> Start(
        EmbeddedBackend backend, GenerateRequest request, CancellationToken? cancellationToken = null) =>
        backend.GenerateAsync(Call(request), cancellationToken ?? Token).GetAsyncEnumerator(Token);

    private static async Task<BackendEvent> NextAsync(IAsyncEnumerator<BackendEvent> stream)
    {
        (await stream.MoveNextAsync()).ShouldBeTrue();
        return stream.Current;
    }

    private static string TextOf(IEnumerable<BackendEvent> events) =>
        events.Where(item => item.Kind == BackendEventKind.Text)
            .Aggregate(new StringBuilder(), (text, item) => text.Append(item.Text)).ToString();

    private static TokenDetail[] DetailsOf(IEnumerable<BackendEvent> events) =>
        [.. events.Where(item => item.Kind == BackendEventKind.Text).SelectMany(item => item.Tokens!)];
}
