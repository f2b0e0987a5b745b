using System.Text;

namespace GrpcLlm.Fuzz;

/// <summary>Changes inputs: byte by byte, line by line, and values of JSON by what they are.</summary>
internal static class Mutator
{
    private const int MaxBytes = 32 * 1024;

    private static readonly string[] Values =
    [
        "null", "true", "false", "0", "-1", "1", "12.0", "4294967295", "4294967296", "18446744073709551616", "1e999", "-0.0",
        "\"\"", "\"x\"", "[]", "{}", "[{}]", "{\"a\":[]}", "\"\\ud83d\"", "\"\\ude00\"", "\"\\u0000\"", "[null]", "\"-Infinity\"",
        "\"NaN\"", "1E-400", "[[[[[[[[]]]]]]]]",
    ];

    private static readonly string[] Words =
    [
        "\n", "\r", "\r\n", "\n\n", "\r\r", "data:", "data: ", "event: error\n", "event:", "id: 1\n", "retry: 5\n", ": comment\n",
        "[DONE]", "\uFEFF", "\0", "\"", "\\", "\\u", "\\ud83d", "{", "}", "[", "]", ",", ":", "é", "😀", "\u2028", "error", "index",
        "-Infinity", "99999999999999999999", "$", "$.", "['", "@", "=",
    ];

    /// <summary>A changed copy: one to eight changes.</summary>
    public static byte[] Change(Random random, byte[] input, IReadOnlyList<byte[]> others, params ReadOnlySpan<string> words)
    {
        for (var left = 1 << random.Next(4); left > 0; left--) input = ChangeOnce(random, input, others, words);
        return input.Length <= MaxBytes ? input : input[..MaxBytes];
    }

    private static byte[] ChangeOnce(Random random, byte[] input, IReadOnlyList<byte[]> others, ReadOnlySpan<string> words)
    {
        var (from, to) = Range(random, input.Length);
        switch (random.Next(12))
        {
            case 0 when input.Length > 0:
                var flipped = input.ToArray();
                flipped[random.Next(input.Length)] ^= (byte)(1 << random.Next(8));
                return flipped;
            case 1 when input.Length > 0:
                var set = input.ToArray();
                set[random.Next(input.Length)] = (byte)random.Next(256);
                return set;
            case 2:
                return [.. input[..from], .. input[to..]];
            case 3:
                return [.. input[..to], .. input[from..to], .. input[to..]];
            case 4 when others.Count > 0:
                var other = others[random.Next(others.Count)];
                var (start, end) = Range(random, other.Length);
                return [.. input[..from], .. other[start..end], .. input[to..]];
            case 5 when words.Length > 0:
                return Insert(input, from, words[random.Next(words.Length)]);
            case 6:
                return input[..from];
            case 7:
                return Insert(input, from, new string(random.Next(2) == 0 ? '[' : '{', random.Next(1, 200)));
            case 8 or 9:
                return ReplaceValue(random, input);
            case 10:
                return MoveLine(random, input);
            default:
                return Insert(input, from, Words[random.Next(Words.Length)]);
        }
    }

    /// <summary>Puts another value behind a random colon of JSON.</summary>
    private static byte[] ReplaceValue(Random random, byte[] input)
    {
        var at = random.Next(input.Length + 1);
        var colon = Array.IndexOf(input, (byte)':', at);
        if (colon < 0) colon = Array.IndexOf(input, (byte)':');
        if (colon < 0) return Insert(input, at, Values[random.Next(Values.Length)]);
        var end = EndOfValue(input, colon + 1);
        return [.. input[..(colon + 1)], .. Encoding.UTF8.GetBytes(Values[random.Next(Values.Length)]), .. input[end..]];
    }

    private static int EndOfValue(byte[] input, int at)
    {
        var depth = 0;
        var inString = false;
        for (; at < input.Length; at++)
        {
            switch (input[at])
            {
                case (byte)'\\' when inString:
                    at++;
                    break;
                case (byte)'"':
                    inString = !inString;
                    break;
                case (byte)'\n':
                    return at;
                case (byte)'{' or (byte)'[' when !inString:
                    depth++;
                    break;
                case (byte)'}' or (byte)']' when !inString:
                    if (depth-- == 0) return at;
                    break;
                case (byte)',' when !inString && depth == 0:
                    return at;
            }
        }

        return input.Length;
    }

    private static byte[] MoveLine(Random random, byte[] input)
    {
        var lines = Encoding.Latin1.GetString(input).Split('\n').ToList();
        var moved = lines[random.Next(lines.Count)];
        if (random.Next(2) == 0) lines.Remove(moved);
        lines.Insert(random.Next(lines.Count + 1), moved);
        return Encoding.Latin1.GetBytes(string.Join('\n', lines));
    }

    private static byte[] Insert(byte[] input, int at, string text) => [.. input[..at], .. Encoding.UTF8.GetBytes(text), .. input[at..]];

    private static (int From, int To) Range(Random random, int length)
    {
        var from = random.Next(length + 1);
        var most = random.Next(3) == 0 ? length - from : Math.Min(length - from, 16);
        return (from, from + random.Next(most + 1));
    }
}
