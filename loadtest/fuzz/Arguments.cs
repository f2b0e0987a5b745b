using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace GrpcLlm.Fuzz;

/// <summary>What the command line asks for.</summary>
internal sealed record Arguments(string Target, FuzzPlan Plan, string? Replay)
{
    private const long DefaultCases = 10_000;

    /// <summary>Reads it; false if it makes no sense.</summary>
    public static bool TryParse(string[] args, IReadOnlyCollection<string> targets, [NotNullWhen(true)] out Arguments? arguments)
    {
        arguments = null;
        var (target, seed, cases, first) = ("all", 1, (long?)null, (long?)null);
        TimeSpan? duration = null;
        string? replay = null;
        for (var at = 0; at < args.Length; at++)
        {
            if (!args[at].StartsWith('-'))
            {
                target = args[at];
                continue;
            }

            if (at + 1 == args.Length) return false;
            var (name, value) = (args[at], args[++at]);
            long number = 0;
            if (name is "--seed" or "--cases" or "--case" && !long.TryParse(value, CultureInfo.InvariantCulture, out number)) return false;
            switch (name)
            {
                case "--seed":
                    seed = (int)number;
                    break;
                case "--cases":
                    cases = number;
                    break;
                case "--case":
                    first = number;
                    break;
                case "--duration" when Durations.TryParse(value, out var time):
                    duration = time;
                    break;
                case "--replay":
                    replay = value;
                    break;
                default:
                    return false;
            }
        }

        if ((target != "all" && !targets.Contains(target)) || (replay is not null && target == "all")) return false;
        if (first is not null) cases ??= 1;
        if (duration is null) cases ??= DefaultCases;
        arguments = new Arguments(target, new FuzzPlan(seed, cases ?? long.MaxValue, duration, first ?? 0), replay);
        return true;
    }
}
