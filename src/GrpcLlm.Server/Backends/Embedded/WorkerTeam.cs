using System.Runtime.ExceptionServices;

namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>Work in parts that may run in any order and at once.</summary>
internal abstract class ParallelWork
{
    /// <summary>Does one part.</summary>
    /// <param name="part">Number of the part, from 0.</param>
    /// <param name="worker">Index of the thread, from 0, for buffers that each has.</param>
    public abstract void Run(int part, int worker);
}

/// <summary>
/// A thread that leads and a fixed number that help it. Helpers take parts while there are any, so the leader never
/// waits for one that does not run; between parts of one step they stay awake, between steps they sleep. Allocates
/// nothing. <see cref="Run"/> and what brackets it belong to one thread.
/// </summary>
internal sealed class WorkerTeam : IDisposable
{
    private const int PartBits = 16;
    private const long PartMask = (1 << PartBits) - 1;

    private readonly Helper[] _helpers;
    private ParallelWork? _work;

    // What is on offer, in one word so that it is taken in one piece: number of the offer, parts, next part.
    private long _offer;
    private int _finished;
    private Exception? _error;
    private volatile bool _isAwake;
    private volatile bool _isStopping;

    /// <param name="name">Prefix of the threads' names.</param>
    /// <param name="threads">Threads with the leader; above 0.</param>
    public WorkerTeam(string name, int threads)
    {
        _helpers = new Helper[threads - 1];
        for (int i = 0; i < _helpers.Length; i++)
        {
            var helper = _helpers[i] = new Helper(i + 1);
            new Thread(() => Help(helper)) { IsBackground = true, Name = $"{name} {helper.Worker}" }.Start();
        }
    }

    /// <summary>Most parts of one work.</summary>
    public static int MaxParts => (int)PartMask;

    /// <summary>Threads with the leader.</summary>
    public int Threads => _helpers.Length + 1;

    /// <summary>Whether helpers take a share.</summary>
    public bool IsAwake => _isAwake;

    /// <summary>Wakes the helpers.</summary>
    public void Wake()
    {
        if (_helpers.Length == 0) return;
        _isAwake = true;
        foreach (Helper helper in _helpers) helper.Wake();
    }

    /// <summary>Lets the helpers sleep.</summary>
    public void Rest() => _isAwake = false;

    /// <summary>Does all parts of a work; helpers take their share if they are awake.</summary>
    /// <remarks>What a part throws is thrown here, the last of several, after all parts.</remarks>
    public void Run(ParallelWork work, int parts)
    {
        if (parts == 1 || !_isAwake)
        {
            for (int part = 0; part < parts; part++) work.Run(part, 0);
            return;
        }

        _work = work;
        _finished = 0;
        long number = (_offer >> (2 * PartBits)) + 1;
        Volatile.Write(ref _offer, (number << (2 * PartBits)) | ((long)parts << PartBits));
        TakeParts(0);
        var wait = new SpinWait();
        while (Volatile.Read(ref _finished) < parts) wait.SpinOnce(sleep1Threshold: -1);
        if (Interlocked.Exchange(ref _error, null) is { } error) ExceptionDispatchInfo.Throw(error);
    }

    /// <summary>Stops the helpers.</summary>
    public void Dispose()
    {
        _isStopping = true;
        foreach (Helper helper in _helpers) helper.Wake();
    }

    private void Help(Helper helper)
    {
        using Helper own = helper;
        var wait = new SpinWait();
        while (!_isStopping)
        {
            if (!_isAwake)
            {
                helper.Sleep(this);
                wait.Reset();
                continue;
            }

            if (TakeParts(helper.Worker)) wait.Reset();
            else wait.SpinOnce(sleep1Threshold: -1);
        }
    }

    private bool TakeParts(int worker)
    {
        bool any = false;
        while (true)
        {
            long offer = Volatile.Read(ref _offer);
            long next = offer & PartMask;
            if (next >= ((offer >> PartBits) & PartMask)) return any;
            if (Interlocked.CompareExchange(ref _offer, offer + 1, offer) != offer) continue;

            // The leader makes no further offer before this part is finished, so this is the work of the offer.
            try
            {
                _work!.Run((int)next, worker);
            }
            catch (Exception error)
            {
                _error = error;
            }

            Interlocked.Increment(ref _finished);
            any = true;
        }
    }

    private sealed class Helper(int worker) : IDisposable
    {
        private readonly SemaphoreSlim _wake = new(0);
        private int _sleeps;

        public int Worker => worker;

        public void Dispose() => _wake.Dispose();

        public void Wake()
        {
            if (Interlocked.Exchange(ref _sleeps, 0) == 1) _wake.Release();
        }

        // Says that it sleeps before it looks whether it should, so that no call is missed.
        public void Sleep(WorkerTeam team)
        {
            Interlocked.Exchange(ref _sleeps, 1);
            bool stay = team._isAwake || team._isStopping;
            if (stay && Interlocked.Exchange(ref _sleeps, 0) == 1) return;
            _wake.Wait();
        }
    }
}
