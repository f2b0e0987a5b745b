namespace GrpcLlm.Cli.Bench.Results;

/// <summary>Names of the metrics in a <see cref="BenchRun"/>, each with its definition as every report prints it.</summary>
internal static class MetricNames
{
    public const string Ttft = "ttft";
    public const string Tpot = "tpot";
    public const string Ntpot = "ntpot";
    public const string Itl = "itl";
    public const string E2e = "e2e";
    public const string ScheduleDelay = "scheduleDelay";
    public const string ServerTtft = "serverTtft";
    public const string ServerTpot = "serverTpot";
    public const string ServerQueue = "serverQueue";
    public const string ServerOverhead = "serverOverhead";
    public const string ServerTotal = "serverTotal";
    public const string ClientStall = "clientStall";
    public const string NetworkTtft = "networkTtft";

    /// <summary>All of them in the order of the reports: name, label, definition.</summary>
    public static readonly IReadOnlyList<(string Name, string Label, string Definition)> All =
    [
        (Ttft, "TTFT", "Time to first token: call start to the first chunk with a token. In an open loop the call starts when it was planned."),
        (Tpot, "TPOT", "Time per output token: (last token - first token) / (output tokens - 1), per stream; none below two tokens; reasoning that was never streamed does not count."),
        (Ntpot, "NTPOT", "Normalised time per output token: end to end / output tokens, per stream. llmperf and GuideLLM call this TPOT."),
        (Itl, "ITL", "Inter-token latency: the gap before each token after the first; within a merged chunk as the server tells it."),
        (E2e, "E2E", "End to end: call start to end of the stream, trailers included."),
        (ScheduleDelay, "Schedule delay", "Planned send to real send, open loop only. It is part of TTFT and E2E there."),
        (ServerTtft, "Server TTFT", "The server's own: acceptance to the first token handed to the transport."),
        (NetworkTtft, "Network TTFT", "TTFT from the real send less the server's own: network, transport, and this program."),
        (ServerTpot, "Server TPOT", "The server's own time per output token, by arrival from the backend."),
        (ServerQueue, "Server queue", "The server's own: waiting for admission."),
        (ServerOverhead, "Server overhead", "The server's own: time spent in the service itself."),
        (ServerTotal, "Server total", "The server's own: acceptance to end."),
        (ClientStall, "Client stall", "The server's own: time in which output was ready and this program did not take it."),
    ];
}
