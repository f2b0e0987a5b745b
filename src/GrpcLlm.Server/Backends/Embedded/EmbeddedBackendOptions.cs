using System.ComponentModel.DataAnnotations;

namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>Settings of a backend of kind <c>embedded</c>, below <c>GrpcLlm:Backends:&lt;name&gt;</c>.</summary>
internal sealed class EmbeddedBackendOptions
{
    /// <summary>
    /// Path of a GGUF file: version 3, architecture <c>llama</c>, tensors in F32, F16 or Q8_0. A relative path counts
    /// from the current directory.
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
    /// <value>Default 1 GiB; 1 MiB to 1 TiB. The shipped model needs 4.5 MiB for a full window.</value>
    [Range(1L << 20, 1L << 40)]
    public long MemoryBudgetBytes { get; set; } = 1L << 30;
}
