using System.Xml;
using System.Xml.Linq;
using GrpcLlm.Server.Ops;
using GrpcLlm.Server.Telemetry;

namespace GrpcLlm.Server.Tests.Ops;

public sealed class StatusPageTests
{
    private static readonly StatusReport Idle = new()
    {
        State = ServingState.Ready,
        Troubles = [],
        Time = new DateTimeOffset(2030, 1, 1, 12, 0, 3, TimeSpan.Zero),
        Version = "1.2.3",
        UptimeSeconds = 3 * 3600,
        Streams = new StreamStatus(0, 0, 0, 0),
        Admission = new AdmissionStatus(0, 4, 0, 0),
        TokensPerSecond = 0,
        CallsPerSecond = 0,
        Ttft = null,
        Tpot = null,
        Calls = new CallStatus(0, 0, 0, 0, 0),
        Failures = [],
        Backends = [],
        Models = [],
        StepSeconds = 5,
        Timeline = [Step()],
    };

    [Theory]
    [InlineData(ServingState.Ready, false, "Ready")]
    [InlineData(ServingState.Ready, true, "Ready, with trouble")]
    [InlineData(ServingState.Draining, true, "Draining")]
    [InlineData(ServingState.NotReady, false, "Not ready")]
    public void Verdict_SaysHowItIs(object state, bool troubled, string words)
    {
        var page = Render(Idle with { State = (ServingState)state, Troubles = troubled ? ["Backend b: <down>."] : [] });

        page.Descendants("strong").ShouldContain(strong => strong.Value == words);
        page.Descendants("li").Count(static item => item.Value == "Backend b: <down>.").ShouldBe(troubled ? 1 : 0);
    }

    [Fact]
    public void Empty_HasNoPlot_NoMeterOfAQueueThatIsNone_AndSaysWhenItWasRead()
    {
        var page = Render(Idle);

        page.Descendants("svg").ShouldHaveSingleItem().Attribute("aria-label")!.Value.ShouldBe("0 of 4 places taken: 0 %");
        page.Descendants("p").ShouldContain(static facts =>
            facts.Value == "Up 3 h 0 min, as of 2030-01-01 12:00:03 UTC. Load the page again for newer figures.");
        page.Descendants("div").Single(static div => div.Attribute("id")?.Value == "stale").Attribute("hidden").ShouldNotBeNull();
    }

    [Fact]
    public void FullTimeline_IsDrawn_WithItsTableNewestFirst()
    {
        var times = new LatencyFigures(4, 20, 30, 40);
        var steps = Enumerable.Range(0, StatusHistory.Steps).Select(index => Step(tokens: index * 10, times: times)).ToList();

        var page = Render(Idle with { Timeline = steps });

        foreach (var id in (string[])["ttft", "tpot", "tokens"])
        {
            var figure = page.Descendants("figure").Single(figure => figure.Attribute("id")?.Value == id);
            figure.Descendants("path").ShouldNotBeEmpty();
            figure.Descendants("desc").ShouldHaveSingleItem().Value.ShouldNotBeEmpty();
        }

        var rows = page.Descendants("figure").First().Descendants("tbody").Single().Elements("tr").ToList();
        rows.Count.ShouldBe(StatusHistory.Steps);
        rows[0].Elements().Select(static cell => cell.Value).ShouldBe(["now", "20.0 ms", "30.0 ms", "40.0 ms", "4"]);
        rows[^1].Elements().First().Value.ShouldBe("9 min 55 s ago");

        // The step that still goes on is not taken for a drop in the rate.
        var tokens = page.Descendants("figure").Single(static figure => figure.Attribute("id")?.Value == "tokens");
        tokens.Descendants("tbody").Single().Elements("tr").First().Elements().Select(static cell => cell.Value)
            .ShouldBe(["5 s ago", "236 tokens/s", "0"]);
    }

    [Fact]
    public void MoreReasonsThanSeries_TheRestIsSummed()
    {
        var failed = Enumerable.Range(1, 8).ToDictionary(static n => $"R{n}", static n => (long)n, StringComparer.Ordinal);

        var page = Render(Idle with { Timeline = [Step(failed: failed)] });

        var figure = page.Descendants("figure").Single(static figure => figure.Attribute("id")?.Value == "failed");
        figure.Descendants("li").Select(static entry => entry.Value).ShouldBe(["R8", "R7", "R6", "R5", "R4", "other"]);
        figure.Descendants("tbody").Single().Elements("tr").Single().Elements().Select(static cell => cell.Value)
            .ShouldBe(["now", "8", "7", "6", "5", "4", "6"]);
    }

    [Theory]
    [InlineData(0, "0 s")]
    [InlineData(59.9, "59 s")]
    [InlineData(192, "3 min 12 s")]
    [InlineData(18_180, "5 h 3 min")]
    [InlineData(190_800, "2 d 5 h")]
    public void Ages_AreWhole(double seconds, string text) => StatusWords.Age(TimeSpan.FromSeconds(seconds)).ShouldBe(text);

    private static StepStatus Step(long tokens = 0, LatencyFigures? times = null, Dictionary<string, long>? failed = null) =>
        new(tokens, failed?.Values.Sum() ?? 0, times, times, failed ?? []);

    private static XDocument Render(StatusReport report)
    {
        using var text = new StringReader(StatusPage.Render(report));
        using var reader = XmlReader.Create(text, new XmlReaderSettings { DtdProcessing = DtdProcessing.Ignore });
        return XDocument.Load(reader);
    }
}
