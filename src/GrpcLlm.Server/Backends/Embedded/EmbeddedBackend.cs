using System.Runtime.CompilerServices;
using System.Text;
using GrpcLlm.Server.Backends.Embedded.Chat;
using GrpcLlm.Server.Backends.Embedded.Kernels;
using GrpcLlm.Server.Backends.Embedded.Structured;
using GrpcLlm.Server.Requests;
using GrpcLlm.V1;
using Microsoft.Extensions.Logging.Abstractions;

namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>
/// A small neural language model in this process. Streams share its weights; a fixed set of threads steps those whose
/// reader wants a token, so a stream that nobody reads costs its memory and its slot and nothing else.
/// </summary>
/// <remarks>
/// <para>A token is counted as output when it is emitted; the one with which the model ends is not. Input counts the
/// beginning-of-text token. Prompt and output together fill at most the context window.</para>
/// <para>A model whose file has a chat template that is understood takes conversations (<see cref="ChatFormat"/>), and a
/// prompt as the user's message; another continues a prompt as text.</para>
/// <para>JSON, and calls of tools that are forced, are written under a mask (<see cref="StructuredOutput"/>), and end when
/// they are complete. Neither schemas nor tools are told to the model, which knows no format for that.</para>
/// <para>The same request with the same seed gives the same text, alone or beside others, on vectors of any width, with
/// a prefix that was known already or without.</para>
/// </remarks>
internal sealed partial class EmbeddedBackend : IBackend, IAsyncDisposable
{
    /// <summary>The kind in configuration, and the key in <c>provider_options_json</c>.</summary>
    public const string BackendKind = "embedded";

    // Longest prompt that is counted exactly although it cannot fit.
    private const int MaxCountedBytes = 1 << 20;

    private readonly EmbeddedModel _model;
    private readonly BatchEngine _engine;
    private readonly SlotQueue _slots;
    private readonly StructuredOutput _structure;
    private readonly BackendModel _description;
    private readonly int _contextWindow;

    /// <summary>Loads the model and starts the threads. Blocks for as long as that takes.</summary>
    /// <param name="name">Name in configuration.</param>
    /// <param name="options">Valid by their annotations.</param>
    /// <param name="logger">Hears what was loaded; null for nobody.</param>
    /// <param name="timeProvider">Clock of the queue, and for how long loading took.</param>
    /// <param name="kernels">The arithmetic; null for the fastest.</param>
    /// <exception cref="EmbeddedModelException">The model cannot be used, or the options do not fit it.</exception>
    public EmbeddedBackend(
        string name, EmbeddedBackendOptions options, ILogger? logger, TimeProvider timeProvider,
        KernelSet? kernels = null)
    {
        Name = name;
        long start = timeProvider.GetTimestamp();
        string path = options.ModelPath.Length > 0 ? options.ModelPath : EmbeddedModel.DefaultPath;
        kernels ??= KernelSet.Best;
        int threads = options.Threads > 0 ? options.Threads : Environment.ProcessorCount;
        _model = EmbeddedModel.Load(path);
        try
        {
            _contextWindow = ContextWindowOf(options);
            KvPagePool pages = CreatePool(options, out int maxPages);
            _slots = new SlotQueue(options.MaxConcurrent, maxPages, options.MaxQueue, timeProvider);
            _engine = new BatchEngine(name, _model, kernels, pages, threads, _contextWindow);
        }
        catch
        {
            _model.Dispose();
            throw;
        }

        _structure = new StructuredOutput(_model.Vocabulary);
        _description = EmbeddedDescription.Of(_model, _contextWindow, _structure.IsPossible);
        TimeSpan elapsed = timeProvider.GetElapsedTime(start);
        logger ??= NullLogger.Instance;
        LogLoaded(logger, name, _model.Name, elapsed, threads, kernels.Name);
        if (_model.ChatProblem is { } problem) LogNoChat(logger, name, _model.Name, problem);
    }

    public string Name { get; }

    public string Kind => BackendKind;

    /// <summary>Threads, buffers and memory.</summary>
    internal BatchEngine Engine => _engine;

    /// <summary>Slots and queue.</summary>
    internal SlotQueue Slots => _slots;

    /// <remarks>There is one model; whatever the route calls it.</remarks>
    public BackendModel Describe(string model) => _description;

    public void FindUnsupported(GenerateRequest request, string model, Violations violations) =>
        UnsupportedFields.Find(request, _model, _structure, violations);

    /// <remarks>
    /// Exact, also for a prompt that does not fit the window; only what does not fit and is longer than 1 MiB is
    /// refused instead, since cutting it up would cost seconds and hundreds of megabytes.
    /// </remarks>
    public ValueTask<InputTokenCount> CountInputTokensAsync(BackendCall call, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        int[] prompt = Encode(call.Request, MaxCountedBytes);
        return ValueTask.FromResult(new InputTokenCount((uint)prompt.Length, UsageSource.Counted));
    }

    public async IAsyncEnumerable<BackendEvent> GenerateAsync(
        BackendCall call, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested) yield break;
        int[] prompt = Encode(call.Request, maxTooLongBytes: 0);
        if (prompt.Length > _contextWindow) throw TooLong($"{prompt.Length}");
        if (prompt.Length == 0)
        {
            throw new BackendException(
                BackendFailure.Rejected, "the prompt is empty, and this model has no beginning-of-text token");
        }

        int room = _contextWindow - prompt.Length;
        int maxOutput = (int)Math.Min(call.MaxOutputTokens ?? uint.MaxValue, (uint)room);

        using SlotQueue.Place place = _slots.Enter(KvPagePool.PagesFor(prompt.Length + maxOutput));
        for (int position = place.Position; position > 0;)
        {
            yield return BackendEvent.Queued((uint)position);
            if (await place.MovedFromAsync(position, cancellationToken) is not { } moved) yield break;
            position = moved;
        }

        var plan = SamplingPlan.For(call.Request);
        yield return BackendEvent.Opened(new BackendOpening
        {
            InputTokens = (uint)prompt.Length,
            Seed = plan.Seed,
            Model = _model.Name,
            TokenCountSource = UsageSource.Counted,
        });

        TokenConstraint? constraint = _structure.ConstraintFor(call.Request, maxOutput);
        var sampler = new Sampler(plan, _model.Vocabulary.EndTokens, prompt, constraint);
        var details = TokenDetails.For(call.Request.Output, _model.Vocabulary);
        using var generation = new Generation(
            _engine.Pages, _engine.Enqueue, call.Tenant, prompt, prompt.Length + maxOutput, sampler, details);
        await using CancellationTokenRegistration cancel =
            cancellationToken.UnsafeRegister(static work => ((PacedWork)work!).Cancel(), generation);

        IReadOnlyList<Tool> tools = StructuredOutput.ForcedTools(call.Request);
        ToolCallWriter? toolCall = tools.Count > 0 ? new ToolCallWriter(_model.Vocabulary, tools) : null;
        var text = new Utf8Assembler(_model.Vocabulary);
        string? end = null;
        int output = 0;
        while (output < maxOutput && end is null)
        {
            if (!await generation.NextStepAsync(cancellationToken)) yield break;
            if (_model.Vocabulary.IsEnd(generation.Token))
            {
                end = "eos";
                break;
            }

            output++;
            if (constraint is { IsComplete: true }) end = "complete";
            if (toolCall is null)
            {
                yield return BackendEvent.TextDelta(
                    text.Append(generation.Token), tokens: generation.Detail is { } detail ? [detail] : null);
            }
            else
            {
                foreach (BackendEvent piece in toolCall.Append(generation.Token, isLast: end is not null)) yield return piece;
            }
        }

        if (text.Flush() is { Length: > 0 } rest) yield return BackendEvent.TextDelta(rest, tokenCount: 0);
        if (toolCall?.Flush() is { } half) yield return half;
        FinishReason reason = end is null
            ? output >= call.MaxOutputTokens ? FinishReason.Length : FinishReason.ContextLength
            : toolCall is null ? FinishReason.Stop : FinishReason.ToolCalls;
        var usage = new Usage
        {
            InputTokens = (uint)prompt.Length,
            CachedInputTokens = (uint)generation.Cache.Reused,
            OutputTokens = (uint)output,
            Source = UsageSource.Counted,
        };
        yield return BackendEvent.Finished(Ending(reason, end, usage));
    }

    /// <summary>Stops the threads after their running turns. Streams that still run fail.</summary>
    public async ValueTask DisposeAsync()
    {
        _slots.Close();
        await _engine.DisposeAsync();
        _model.Dispose();
    }

    private static BackendEnding Ending(FinishReason reason, string? end, Usage usage) => new(reason)
    {
        RawReason = end ?? (reason == FinishReason.Length ? "max_output_tokens" : "context_window"),
        Usage = usage,
    };

    private int ContextWindowOf(EmbeddedBackendOptions options)
    {
        int trained = _model.Network.Shape.Context;
        if (options.ContextWindow > trained)
        {
            throw new EmbeddedModelException(
                $"ContextWindow is {options.ContextWindow}, but '{_model.Name}' was trained for {trained} tokens");
        }

        return options.ContextWindow > 0 ? options.ContextWindow : trained;
    }

    private KvPagePool CreatePool(EmbeddedBackendOptions options, out int maxPages)
    {
        LlamaShape shape = _model.Network.Shape;
        long pageBytes = KvPagePool.PageBytesOf(shape, options.KeyValuePrecision);
        int fullWindow = KvPagePool.PagesFor(_contextWindow);
        maxPages = (int)Math.Min(int.MaxValue, options.MemoryBudgetBytes / pageBytes);
        if (maxPages < fullWindow)
        {
            throw new EmbeddedModelException(
                $"MemoryBudgetBytes is {options.MemoryBudgetBytes}, but one stream of {_contextWindow} tokens " +
                $"needs {fullWindow * pageBytes}; raise it or lower ContextWindow");
        }

        int maxCached = (int)Math.Min(maxPages, options.PrefixCacheBytes / pageBytes);
        return new KvPagePool(shape, options.KeyValuePrecision, maxPages, maxCached);
    }

    // Without a chat format a conversation is one user message of text parts (FindUnsupported), the same as a prompt.
    private static string TextOf(GenerateRequest request) =>
        request.Conversation is { } conversation
            ? string.Concat(conversation.Messages.SelectMany(message => message.Parts).Select(part => part.Text))
            : request.Prompt;

    private int[] Encode(GenerateRequest request, int maxTooLongBytes)
    {
        if (_model.Chat is not { } chat)
        {
            string text = TextOf(request);
            RefuseTooLong(text, maxTooLongBytes);
            return _model.Tokenizer.EncodePrompt(text);
        }

        try
        {
            ChatPrompt prompt = chat.Write(request);
            RefuseTooLong(prompt.Text, maxTooLongBytes);
            return chat.Encode(prompt);
        }
        catch (TemplateException error)
        {
            throw new BackendException(
                BackendFailure.Rejected, $"the model's chat template refuses the conversation: {error.Message}", error);
        }
    }

    // What is surely too long and has more bytes than that is refused by its length alone, without cutting it up.
    private void RefuseTooLong(string text, int maxBytes)
    {
        int bytes = Encoding.UTF8.GetByteCount(text);
        int fewest = _model.Tokenizer.FewestTokens(bytes);
        if (fewest > _contextWindow && bytes > maxBytes) throw TooLong($"at least {fewest}");
    }

    private BackendException TooLong(string count) =>
        new(BackendFailure.ContextTooLong, $"the prompt has {count} tokens; the context window has {_contextWindow}");

    [LoggerMessage(EventName = "EmbeddedModelLoaded", Level = LogLevel.Information,
        Message = "Backend {Backend} loaded the model {Model} in {Elapsed} and runs it on {Threads} threads with {Kernels}")]
    private static partial void LogLoaded(
        ILogger logger, string backend, string model, TimeSpan elapsed, int threads, string kernels);

    [LoggerMessage(EventName = "ChatTemplateNotUnderstood", Level = LogLevel.Warning,
        Message = "Backend {Backend} continues prompts as plain text: the chat template of {Model} is not understood: {Problem}")]
    private static partial void LogNoChat(ILogger logger, string backend, string model, string problem);
}
