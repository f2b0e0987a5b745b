using System.Text;

namespace GrpcLlm.Cli.Output;

/// <summary>Columns of text, aligned; the last one may be long.</summary>
internal static class TextTable
{
    /// <summary>Writes rows of equal length.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="rows">The rows.</param>
    /// <param name="numbersFrom">Column from which on cells are aligned to the right, as numbers are.</param>
    public static async Task WriteAsync(TextWriter output, IReadOnlyList<string[]> rows, int numbersFrom = int.MaxValue)
    {
        var cells = rows.Select(row => row.Select(TerminalText.Line).ToArray()).ToList();
        var widths = Enumerable.Range(0, cells[0].Length).Select(column => cells.Max(row => row[column].Length)).ToArray();
        foreach (var row in cells)
        {
            var line = new StringBuilder();
            for (var column = 0; column < row.Length; column++)
            {
                if (column > 0) line.Append("  ");
                line.Append(column < numbersFrom ? row[column].PadRight(widths[column]) : row[column].PadLeft(widths[column]));
            }

            await output.WriteLineAsync(line.ToString().TrimEnd());
        }
    }
}
