using System.Text;

namespace GrpcLlm.Benchmarks;

/// <summary>RESULTS.md: written by the program, all but what was tried and did not pay, which is kept by hand.</summary>
internal static class ResultsFile
{
    /// <summary>Writes the file.</summary>
    /// <param name="report">What was measured.</param>
    /// <param name="facts">The machine.</param>
    /// <param name="took">Time of the whole run.</param>
    /// <returns>Its path.</returns>
    public static async Task<string> WriteAsync(Report report, string facts, TimeSpan took)
    {
        var text = new StringBuilder();
        text.Append($"""
            # Results

            Written by `dotnet run -c Release --project loadtest/benchmarks -- results{(report.Quick ? " --quick" : "")}`; do not edit. Ratios within
            one table are the result: all of its rows were measured in one run, in turns, on one machine. Absolute times belong to it.

            {facts}
            - the run took {Report.Number(took.TotalMinutes, 0)} minutes

            """);
        if (report.Quick) text.Append("\n**The short form: it shows that everything works. Code is still cold, rounds are few; its figures mean little.**\n");
        text.Append("\n## Goals\n\n").Append(Report.Format(["figure", "goal", "measured", "met"], report.Goals)).Append('\n');
        text.Append(report.Markdown);
        text.Append("## Tried and did not pay\n\n");
        text.Append(await File.ReadAllTextAsync(Path.Combine(AppContext.BaseDirectory, "tried.md")));

        // The short form must not take the place of figures that mean something.
        var path = report.Quick
            ? Path.Combine(Repository.Root, "artifacts", "RESULTS.quick.md")
            : Path.Combine(Repository.Root, "loadtest", "RESULTS.md");
        await File.WriteAllTextAsync(path, text.ToString());
        return path;
    }
}
