using System.Text;
using GrpcLlm.Cli;

namespace GrpcLlm.Client.Tests.Cli;

public sealed class InterruptibleOutputTests : IDisposable
{
    private static readonly TimeSpan Hang = TimeSpan.FromMinutes(1);

    private readonly CancellationTokenSource _interrupt = new();
    private readonly Pipe _pipe = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _interrupt.Dispose();
        _pipe.Dispose();
    }

    [Fact]
    public async Task Write_NobodyReads_EndsWithTheInterruptAndNothingFollows()
    {
        await using var output = new InterruptibleOutput(_pipe, TimeSpan.Zero, _interrupt.Token);
        _pipe.IsFull = true;
        var writing = output.WriteAsync("a"u8.ToArray(), Token).AsTask();
        writing.IsCompleted.ShouldBeFalse();

        await _interrupt.CancelAsync();

        await Should.ThrowAsync<OperationCanceledException>(writing.WaitAsync(Hang, Token));
        _pipe.IsFull = false;
        await Should.ThrowAsync<OperationCanceledException>(async () => await output.WriteAsync("b"u8.ToArray(), Token));
        _pipe.Text.ShouldBe("a");
    }

    [Fact]
    public async Task Write_InterruptedWhileSomebodyReads_IsWritten()
    {
        await using var output = new InterruptibleOutput(_pipe, Hang, _interrupt.Token);
        _pipe.IsFull = true;
        var writing = output.WriteAsync("a"u8.ToArray(), Token).AsTask();
        await _interrupt.CancelAsync();

        _pipe.Read();
        await writing.WaitAsync(Hang, Token);
        await output.WriteAsync("b"u8.ToArray(), Token);

        _pipe.Text.ShouldBe("ab");
    }

    [Fact]
    public async Task Write_BufferUsedAgainAfterwards_KeepsTheBytes()
    {
        await using var output = new InterruptibleOutput(_pipe, TimeSpan.Zero, _interrupt.Token);
        _pipe.IsFull = true;
        var bytes = "a"u8.ToArray();
        var writing = output.WriteAsync(bytes, Token).AsTask();
        await _interrupt.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(writing.WaitAsync(Hang, Token));

        bytes[0] = (byte)'x';

        _pipe.Text.ShouldBe("a");
    }

    [Fact]
    public async Task Write_ClosedPipe_Fails()
    {
        await using var output = new InterruptibleOutput(_pipe, Hang, _interrupt.Token);
        _pipe.Failure = new IOException("Broken pipe");

        await Should.ThrowAsync<IOException>(async () => await output.WriteAsync("a"u8.ToArray(), Token));
    }

    [Fact]
    public async Task Generate_InterruptedWhileNobodyReads_Exits130()
    {
        await using var server = await TestServer.StartAsync();
        server.Service.StreamsThenHangs(Chunks.First("Hello"));
        _pipe.IsFull = true;
        await using var error = new StringWriter();
        var console = new CliConsole(
            new StringReader(""), new StreamWriter(new InterruptibleOutput(_pipe, TimeSpan.Zero, _interrupt.Token)), error);
        var running = CliHost.RunAsync(["generate", "hi", "--address", server.Address.ToString()], console, _interrupt.Token);
        await _pipe.Blocked.WaitAsync(Hang, Token);

        await _interrupt.CancelAsync();

        (await running.WaitAsync(Hang, Token)).ShouldBe(ExitCodes.Interrupted);
    }

    /// <summary>A pipe that is full as long as a test says so. Keeps what it was given, where it lies.</summary>
    private sealed class Pipe : MemoryStream
    {
        private readonly List<ReadOnlyMemory<byte>> _writes = [];
        private readonly TaskCompletionSource _blocked = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource _room = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public bool IsFull { get; set; }

        public Exception? Failure { get; set; }

        /// <summary>Completes when a write waits for room.</summary>
        public Task Blocked => _blocked.Task;

        public string Text => string.Concat(_writes.Select(static one => Encoding.UTF8.GetString(one.Span)));

        /// <summary>Makes room.</summary>
        public void Read()
        {
            IsFull = false;
            _room.TrySetResult();
        }

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (Failure is not null) throw Failure;

            // One write is kept where it lies, those that end at once as they are.
            _writes.Add(IsFull ? buffer : buffer.ToArray());
            if (!IsFull) return;
            _blocked.TrySetResult();
            await _room.Task;
            _writes[^1] = buffer.ToArray();
        }
    }
}
