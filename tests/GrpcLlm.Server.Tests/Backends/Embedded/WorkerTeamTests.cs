using GrpcLlm.Server.Backends.Embedded;

namespace GrpcLlm.Server.Tests.Backends.Embedded;

public sealed class WorkerTeamTests : IDisposable
{
    private readonly WorkerTeam _team = new("test", 4);

    public void Dispose() => _team.Dispose();

    [Fact]
    public void Run_ManyWorksAwakeAndAsleep_EveryPartOnceAndAllBeforeItReturns()
    {
        var work = new CountingWork();
        for (int i = 0; i < 3000; i++)
        {
            if (i % 50 == 0) _team.Wake();
            if (i % 50 == 40) _team.Rest();
            int parts = 1 + (i % 37);
            work.Counts = new int[parts];
            _team.Run(work, parts);
            work.Counts.ShouldAllBe(count => count == 1);
        }
    }

    [Fact]
    public void Run_APartThrows_IsThrownAfterAllParts()
    {
        var work = new CountingWork { Counts = new int[20], Fails = 7 };
        _team.Wake();
        Should.Throw<InvalidTimeZoneException>(() => _team.Run(work, 20));
        work.Counts.ShouldAllBe(count => count == 1);
        work.Fails = -1;
        work.Counts = new int[20];
        _team.Run(work, 20);
        work.Counts.ShouldAllBe(count => count == 1);
    }

    private sealed class CountingWork : ParallelWork
    {
        public int[] Counts { get; set; } = [];

        public int Fails { get; set; } = -1;

        public override void Run(int part, int worker)
        {
            worker.ShouldBeInRange(0, 3);
            Interlocked.Increment(ref Counts[part]);
            if (part == Fails) throw new InvalidTimeZoneException();
        }
    }
}
