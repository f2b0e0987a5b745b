using GrpcLlm.Cli;
using GrpcLlm.Cli.Bench.Load;
using GrpcLlm.Cli.Bench.Profiles;

namespace GrpcLlm.Client.Tests.Cli.Bench.Load;

public sealed class LoadPlansTests
{
    [Fact]
    public void Profile_WithNothing_HasGhzsDefaults()
    {
        var plan = LoadPlans.Of(new GhzProfile());

        (plan.IsOpen, plan.Curve.Last, plan.Total, plan.Duration, plan.Connections).ShouldBe((false, 50, 200, null, 1));
        plan.DurationStop.ShouldBe(GhzDurationStop.Wait);
    }

    [Fact]
    public void Profile_WithDuration_HasNoTotal()
    {
        var duration = LoadPlans.Of(new GhzProfile { Total = 5, Duration = TimeSpan.FromSeconds(3) });
        var longest = LoadPlans.Of(new GhzProfile { Total = 5, MaxDuration = TimeSpan.FromSeconds(3) });

        (duration.Total, duration.Duration).ShouldBe((null, TimeSpan.FromSeconds(3)));
        (longest.Total, longest.Duration).ShouldBe((5, TimeSpan.FromSeconds(3)));
    }

    [Fact]
    public void Profile_OfAnOpenLoop_HasItsRate()
    {
        var plan = LoadPlans.Of(new GhzProfile { Rps = 40, Async = true, SkipFirst = 7, StreamCallCount = 1, Timeout = TimeSpan.Zero });

        (plan.IsOpen, plan.Curve.Last, plan.IsPoisson).ShouldBe((true, 40, false));
        (plan.SkipFirst, plan.StreamCallCount, plan.Timeout).ShouldBe((7, 1, null));
    }

    [Theory]
    [InlineData("rps", "async")]
    [InlineData("load-schedule", "async")]
    [InlineData("skipTLS", "not supported")]
    [InlineData("cacert", "not supported")]
    [InlineData("cert", "not supported")]
    [InlineData("key", "not supported")]
    [InlineData("cname", "not supported")]
    [InlineData("authority", "not supported")]
    [InlineData("stream-call-duration", "not supported")]
    [InlineData("stream-interval", "not supported")]
    [InlineData("stream-dynamic-messages", "not supported")]
    [InlineData("cpus", "not supported")]
    [InlineData("enable-compression", "not supported")]
    [InlineData("lb-strategy", "not supported")]
    [InlineData("max-send-message-size", "not supported")]
    public void Profile_WithWhatCannotBeHonoured_IsRefusedByKey(string key, string reason)
    {
        var schedule = new GhzSchedule(IsLine: true, 1, 1, TimeSpan.FromSeconds(1), 5, null);
        var profile = key switch
        {
            "rps" => new GhzProfile { Rps = 5 },
            "load-schedule" => new GhzProfile { LoadSchedule = schedule },
            "skipTLS" => new GhzProfile { SkipTls = true },
            "cacert" => new GhzProfile { CaCert = "x" },
            "cert" => new GhzProfile { Cert = "x" },
            "key" => new GhzProfile { Key = "x" },
            "cname" => new GhzProfile { CName = "x" },
            "authority" => new GhzProfile { Authority = "x" },
            "stream-call-duration" => new GhzProfile { StreamCallDuration = TimeSpan.FromSeconds(1) },
            "stream-interval" => new GhzProfile { StreamInterval = TimeSpan.FromSeconds(1) },
            "stream-dynamic-messages" => new GhzProfile { StreamDynamicMessages = true },
            "cpus" => new GhzProfile { Cpus = 1 },
            "enable-compression" => new GhzProfile { EnableCompression = true },
            "lb-strategy" => new GhzProfile { LbStrategy = "x" },
            _ => new GhzProfile { MaxSendMessageSize = 1 },
        };

        var refusal = Should.Throw<UsageException>(() => LoadPlans.Of(profile with { Path = "load.json" }));

        refusal.Message.ShouldContain("'load.json'");
        refusal.Message.ShouldContain($"{key} ");
        refusal.Message.ShouldContain(reason);
    }

    [Fact]
    public void Profile_WithSeveralMistakes_NamesThemAll()
    {
        var schedule = new GhzSchedule(IsLine: true, 1, 1, TimeSpan.FromSeconds(1), 5, null);
        var profile = new GhzProfile { Rps = 5, Async = true, LoadSchedule = schedule, ConcurrencySchedule = schedule, Cpus = 2 };

        var refusal = Should.Throw<UsageException>(() => LoadPlans.Of(profile));

        refusal.Message.ShouldContain("rps stands beside load-schedule");
        refusal.Message.ShouldContain("concurrency-schedule stands beside rps");
        refusal.Message.ShouldContain("cpus");
        Should.Throw<UsageException>(() => LoadPlans.Of(new GhzProfile { Async = true })).Message.ShouldContain("async has no bound");
    }

    [Fact]
    public void Profile_WithGhzsReports_IsTold()
    {
        var plan = LoadPlans.Of(new GhzProfile { Path = "a.json", Output = "x", Format = "html", Duration = TimeSpan.FromSeconds(1) });

        plan.Notes.Count.ShouldBe(2);
        plan.Notes[0].ShouldContain("output, format");
        plan.Notes[1].ShouldContain("duration-stop");
    }

    [Fact]
    public void Profiles_ThatAreShipped_AreTakenWhole()
    {
        foreach (var file in Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "loadtest", "ghz"), "*.json"))
            LoadPlans.Of(GhzProfileReader.Read(file)).Notes.ShouldBeEmpty(file);
    }

    [Fact]
    public void Profile_OfARamp_IsTheCurve()
    {
        var plan = LoadPlans.Of(new GhzProfile
        {
            ConcurrencySchedule = new GhzSchedule(IsLine: false, 2, 3, TimeSpan.FromSeconds(5), End: 11, MaxDuration: null),
        });

        plan.SettingsFor(new Uri("http://user:secret@host:5/path"), "m").ShouldSatisfyAllConditions(
            settings => settings.Schedule.ShouldBe("steps from 2 by 3 every 5s to 11"),
            settings => settings.Concurrency.ShouldBe(11),
            settings => settings.RequestsPerSecond.ShouldBeNull(),
            settings => settings.Target.ShouldBe("http://host:5"));
    }
}
