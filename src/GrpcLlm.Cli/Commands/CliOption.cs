using System.CommandLine;
using System.Globalization;
using System.Numerics;

namespace GrpcLlm.Cli.Commands;

/// <summary>Makes options that are null where they are not given. Stateless.</summary>
internal static class CliOption
{
    /// <summary>An option of any type that the parser knows.</summary>
    /// <param name="name">With its dashes.</param>
    /// <param name="valueName">What stands for the value in the help.</param>
    /// <param name="description">One sentence or two; with the default, if there is one.</param>
    /// <param name="aliases">Shorter names, with their dash.</param>
    public static Option<T> Create<T>(string name, string valueName, string description, params string[] aliases) =>
        new(name, aliases) { Description = description, HelpName = valueName };

    /// <summary>A time, as <see cref="DurationText"/> reads it.</summary>
    public static Option<TimeSpan?> CreateTime(string name, string description, params string[] aliases)
    {
        var option = Create<TimeSpan?>(name, "TIME", description, aliases);
        option.CustomParser = DurationText.Parse;
        return option;
    }

    /// <summary>Any number of a type; what it means is judged by the server.</summary>
    public static Option<T?> CreateNumber<T>(string name, string valueName, string description)
        where T : struct, INumber<T>, IMinMaxValue<T> =>
        CreateNumber(name, valueName, description, T.MinValue, T.MaxValue);

    /// <summary>A number of a range, with an error that speaks of numbers and not of types.</summary>
    public static Option<T?> CreateNumber<T>(
        string name, string valueName, string description, T least, T most, params string[] aliases)
        where T : struct, INumber<T>
    {
        var option = Create<T?>(name, valueName, description, aliases);
        option.CustomParser = result =>
        {
            var text = result.Tokens.Single().Value;
            if (T.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most)
                return number;
            result.AddError($"'{text}' is no number that {name} takes.");
            return null;
        };
        return option;
    }
}
