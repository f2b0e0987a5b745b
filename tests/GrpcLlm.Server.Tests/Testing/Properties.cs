using FsCheck;
using FsCheck.Fluent;

namespace GrpcLlm.Server.Tests.Testing;

/// <summary>Checks a statement on many random examples; a failure is shrunk and told with its seed.</summary>
internal static class Properties
{
    public static void Holds<T>(Gen<T> examples, Action<T> statement, int count = 300) =>
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(count), Prop.ForAll(Arb.From(examples), statement));

    /// <summary>Random numbers with a seed of their own; for examples that a generator would describe at length.</summary>
    public static void HoldsForSeeds(Action<Random> statement, int count = 300) =>
        Holds(Gen.Choose(0, int.MaxValue - 1), seed => statement(new Random(seed)), count);

    /// <summary>Cuts a text into random pieces, some of them empty.</summary>
    public static List<string> Cut(Random random, string text)
    {
        var pieces = new List<string>();
        for (var start = 0; start < text.Length;)
        {
            var length = Math.Min(random.Next(0, 4), text.Length - start);
            pieces.Add(text.Substring(start, length));
            start += length;
        }

        return pieces;
    }
}
