using System.Text;

namespace GrpcLlm.Cli.Output;

/// <summary>Columns of text, aligned; the last one may be long.</summary>
internal static class TextTable
{
    /// <summary>Writes rows of equal length.</summary>
    public static async Task WriteAsync(TextWriter output, IReadOnlyList<string[]> rows)
    {
        var cells = rows.Select(row => row.Select(TerminalText.Line).ToArray()).ToList();
        var widths = Enumerable.Range(0, cells[0].Length).Select(column => cells.Max(row => row[column].Length)).ToArray();
        foreach (var row in cells)
        {
            var line = new StringBuilder();
            for (var column = 0; column < row.Length; column++)
            {
                if (column > 0) line.Append("  ");
                line.Append(row[column].PadRight(widths[column]));
            }

            await output.WriteLineAsync(line.ToString().TrimEnd());
        }
    }
}
