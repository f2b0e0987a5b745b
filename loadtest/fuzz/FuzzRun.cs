using System.Diagnostics;

namespace GrpcLlm.Fuzz;

/// <summary>What one run of a target came to.</summary>
/// <param name="Target">Its name.</param>
/// <param name="Seed">Seed of its cases.</param>
/// <param name="Cases">Cases that were made, those of the corpus left out.</param>
/// <param name="Elapsed">Time that it took.</param>
/// <param name="Failure">The first thing that does not hold; null: everything does.</param>
public sealed record FuzzResult(string Target, int Seed, long Cases, TimeSpan Elapsed, FuzzFailure? Failure);

/// <summary>Something that does not hold.</summary>
/// <param name="Case">Number of the case in its run; or the file of the corpus.</param>
/// <param name="Input">The input that shows it.</param>
/// <param name="Problem">What was thrown, or seen.</param>
public sealed record FuzzFailure(string Case, byte[] Input, string Problem);

/// <summary>How long a run goes on.</summary>
/// <param name="Seed">Seed: the same seed, the same cases.</param>
/// <param name="Cases">Most cases.</param>
/// <param name="Duration">Longest time.</param>
/// <param name="FirstCase">Number of the first case, to repeat one alone.</param>
public sealed record FuzzPlan(int Seed, long Cases = long.MaxValue, TimeSpan? Duration = null, long FirstCase = 0);

/// <summary>Runs targets: first the corpus, then cases of a seed, until something does not hold.</summary>
public static class FuzzRun
{
    /// <summary>A check that takes longer hangs. Checks take milliseconds; a loaded machine has room.</summary>
    private static readonly TimeSpan HangsAfter = TimeSpan.FromSeconds(60);

    /// <summary>Runs one target, on a thread of its own so that a check that never ends is noticed.</summary>
    /// <param name="target">The target.</param>
    /// <param name="plan">How long.</param>
    /// <param name="lastCase">Gets the number of each case before it is checked, for a process that dies of one.</param>
    public static async Task<FuzzResult> RunAsync(FuzzTarget target, FuzzPlan plan, Action<long>? lastCase = null)
    {
        var worker = new Worker(target, plan, lastCase);
        var start = TimeProvider.System.GetTimestamp();
        var ended = worker.StartAsync();
        while (!ended.IsCompleted)
        {
            await Task.WhenAny(ended, Task.Delay(TimeSpan.FromSeconds(1), TimeProvider.System));
            if (!ended.IsCompleted && worker.HangsFor(HangsAfter) is { } failure)
                return new FuzzResult(target.Name, plan.Seed, worker.Cases, TimeProvider.System.GetElapsedTime(start), failure);
        }

        return new FuzzResult(target.Name, plan.Seed, worker.Cases, TimeProvider.System.GetElapsedTime(start), await ended);
    }

    private sealed class Worker(FuzzTarget target, FuzzPlan plan, Action<long>? lastCase)
    {
        private readonly TaskCompletionSource<FuzzFailure?> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private string _case = "";
        private byte[] _input = [];
        private long _since;
        private long _cases;

        public long Cases => Volatile.Read(ref _cases);

        public Task<FuzzFailure?> StartAsync()
        {
            new Thread(Run) { IsBackground = true, Name = "fuzz " + target.Name }.Start();
            return _ended.Task;
        }

        public FuzzFailure? HangsFor(TimeSpan time)
        {
            var since = Volatile.Read(ref _since);
            return since > 0 && TimeProvider.System.GetElapsedTime(since) > time
                ? new FuzzFailure(_case, _input, $"hangs: not over after {time.TotalSeconds:0} s") : null;
        }

        private void Run()
        {
            try
            {
                _ended.SetResult(FindFailure());
            }
            catch (Exception exception)
            {
                // A target that cannot make inputs.
                _ended.SetException(exception);
            }
        }

        private FuzzFailure? FindFailure()
        {
            var corpus = Corpus.Load(target.Name);
            foreach (var (name, input) in corpus)
            {
                if (CheckOne(name, input) is { } failure) return failure;
            }

            IReadOnlyList<byte[]> seeds = [.. corpus.Select(static one => one.Input)];
            var start = TimeProvider.System.GetTimestamp();
            for (var number = plan.FirstCase; _cases < plan.Cases; number++)
            {
                if (plan.Duration is { } duration && TimeProvider.System.GetElapsedTime(start) >= duration) break;
                lastCase?.Invoke(number);
                var input = target.Make(new Random(SeedOf(plan.Seed, number)), seeds);
                Volatile.Write(ref _cases, _cases + 1);
                if (CheckOne($"{number}", input) is { } failure) return failure;
            }

            return null;
        }

        private FuzzFailure? CheckOne(string name, byte[] input)
        {
            (_case, _input) = (name, input);
            Volatile.Write(ref _since, TimeProvider.System.GetTimestamp());
            try
            {
                var before = GC.GetAllocatedBytesForCurrentThread();
                target.Check(input);
                var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
                return allocated <= target.MaxAllocation(input.Length)
                    ? null
                    : new FuzzFailure(name, input, $"{allocated} bytes were allocated for an input of {input.Length}");
            }
            catch (Exception exception) when (exception is not UnreachableException)
            {
                return new FuzzFailure(name, input, exception.ToString());
            }
            finally
            {
                Volatile.Write(ref _since, 0);
            }
        }

        // Not HashCode: it differs from one process to the next.
        private static int SeedOf(int seed, long number) => unchecked((seed * 1_000_003) ^ (int)(number * 2_654_435_761) ^ (int)(number >> 32));
    }
}
