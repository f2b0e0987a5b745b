using System.Text.RegularExpressions;

namespace GrpcLlm.FunctionalTests.Security;

/// <summary>Documents that name the test which holds a line stay true: each line names one, and each that is named is there.</summary>
public sealed class SecurityDocumentTests
{
    private const RegexOptions Options = RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture;

    private static readonly Regex Reference = new("`(?<name>[A-Z][A-Za-z0-9]*Tests\\.[A-Za-z0-9_]+)`", Options);

    private static readonly Regex Class = new(
        "^(?:public|internal) (?:sealed |static |partial )*class (?<name>[A-Za-z0-9]+)", Options);

    private static readonly Regex Method = new(
        "^    public (?:async Task|Task|void) (?<name>[A-Za-z0-9_]+)\\(", Options);

    private static readonly Lazy<HashSet<string>> Tests = new(() =>
        [.. Directory.EnumerateFiles(Repository.PathOf("tests"), "*Tests.cs", SearchOption.AllDirectories).SelectMany(TestsOf)]);

    public static TheoryData<string> Documents => ["SECURITY.md", "tests/GrpcLlm.FunctionalTests/Conformance/README.md"];

    [Theory]
    [MemberData(nameof(Documents))]
    public void EveryTestThatIsNamed_Exists(string document)
    {
        var named = Reference.Matches(Text(document)).Select(static match => match.Groups["name"].Value).Distinct().ToList();

        named.Count.ShouldBeGreaterThan(10);
        named.Except(Tests.Value).ShouldBeEmpty();
    }

    [Theory]
    [MemberData(nameof(Documents))]
    public void EveryLineOfATable_NamesItsTest(string document)
    {
        var rows = Text(document).Split('\n').Where(static line => line.StartsWith('|')).ToList();
        var heads = rows.Index().Where(static row => row.Item.StartsWith("| ---", StringComparison.Ordinal)).Select(static row => row.Index).ToHashSet();

        var silent = rows.Index()
            .Where(row => !heads.Contains(row.Index) && !heads.Contains(row.Index + 1))
            .Where(static row => !Reference.IsMatch(row.Item.Split('|')[^2]))
            .Select(static row => row.Item);

        silent.ShouldBeEmpty();
    }

    private static string Text(string document) => File.ReadAllText(Repository.PathOf(document.Split('/')));

    /// <summary>Class and name of each test of a file.</summary>
    private static IEnumerable<string> TestsOf(string file)
    {
        var type = "";
        var isTest = false;
        foreach (var line in File.ReadLines(file))
        {
            if (Class.Match(line) is { Success: true } declared) type = declared.Groups["name"].Value;
            if (line.StartsWith("    [Fact", StringComparison.Ordinal) || line.StartsWith("    [Theory", StringComparison.Ordinal)) isTest = true;
            if (!isTest || Method.Match(line) is not { Success: true } method) continue;
            isTest = false;
            yield return $"{type}.{method.Groups["name"].Value}";
        }
    }
}
