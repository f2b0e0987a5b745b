using System.ComponentModel.DataAnnotations;

namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>Settings of a backend of kind <c>embedded</c>, below <c>GrpcLlm:Backends:&lt;name&gt;</c>.</summary>
internal sealed class EmbeddedBackendOptions
{
    /// <summary>
    /// Path of a GGUF file: version 3, architecture <c>llama</c>, tensors in F32, F16, Q8_0, Q4_K or Q6_K, words cut as a
    /// <see cref="WordSplitter"/> does or pieces as in SentencePiece. It takes conversations if it has a chat template that is
    /// understood (<see cref="Chat.ChatTemplate"/>). A relative path counts from the current directory. The file stays mapped:
    /// replace it by renaming another over it.
    /// </summary>
    /// <value>Default: empty, the model that comes with the service.</value>
    public string ModelPath { get; set; } = "";

    /// <summary>Streams that generate at once, whether or not their reader wants a token now.</summary>
    /// <value>Default 64; 1 to 65,536.</value>
    [Range(1, 65_536)]
    public int MaxConcurrent { get; set; } = 64;

    /// <summary>Streams that wait for a slot. One more is refused as overloaded.</summary>
    /// <value>Default 1024; 0 to 1,048,576. 0: none waits.</value>
    [Range(0, 1_048_576)]
    public int MaxQueue { get; set; } = 1024;

    /// <summary>Threads that run the model.</summary>
    /// <value>Default 0: one for each processor. At most 1024.</value>
    [Range(0, 1024)]
    public int Threads { get; set; }

    /// <summary>Tokens of prompt and output together.</summary>
    /// <value>Default 0: what the model was trained for, which is also the most.</value>
    [Range(0, 1 << 24)]
    public int ContextWindow { get; set; }

    /// <summary>
    /// Memory for keys and values of all streams, in bytes. A stream is admitted when what it may come to use is free;
    /// it waits in the queue until then. Must hold one stream of a full context window.
    /// </summary>
    /// <value>Default 1 GiB; 1 MiB to 1 TiB. The shipped model needs 2.3 MiB for a full window.</value>
    [Range(1L << 20, 1L << 40)]
    public long MemoryBudgetBytes { get; set; } = 1L << 30;

    /// <summary>
    /// Part of that memory that may keep keys and values of streams that have ended, so that a conversation that goes on
    /// needs not be computed again. Running streams come first. Tenants do not share it.
    /// </summary>
    /// <value>Default 128 MiB; 0 to 1 TiB. 0: nothing is reused.</value>
    [Range(0, 1L << 40)]
    public long PrefixCacheBytes { get; set; } = 128L << 20;

    /// <summary>Precision of keys and values.</summary>
    /// <value>Default <c>F16</c>. <c>F32</c> takes twice the memory and changes logits by some thousandths.</value>
    [EnumDataType(typeof(KeyValuePrecision))]
    public KeyValuePrecision KeyValuePrecision { get; set; } = KeyValuePrecision.F16;
}
