using System.Collections;
using System.Globalization;

namespace GrpcLlm.Server.Requests;

/// <summary>One way in which a request breaks the contract.</summary>
/// <param name="Field">Path of the field in proto names, such as <c>conversation.messages[2].parts[0].image</c>.</param>
/// <param name="Description">What is wrong and what would be right; never the value of a prompt.</param>
internal readonly record struct Violation(string Field, string Description);

/// <summary>
/// Everything that is wrong with one request, collected so that the caller hears of all of it in one answer.
/// At most <see cref="Capacity"/> are kept; <see cref="Count"/> counts all. Not thread-safe.
/// </summary>
internal sealed class Violations : IEnumerable<Violation>
{
    /// <summary>Violations kept; a hostile request could otherwise hold millions.</summary>
    public const int Capacity = 64;

    private readonly List<Violation> _kept = [];

    /// <summary>All violations found, those not kept included.</summary>
    public int Count { get; private set; }

    /// <summary>Whether there are none.</summary>
    public bool IsEmpty => Count == 0;

    /// <summary>Notes one violation.</summary>
    public void Add(string field, string description)
    {
        Count++;
        if (_kept.Count < Capacity) _kept.Add(new Violation(field, description));
    }

    /// <summary>Notes a violation of a range, in one wording for all fields.</summary>
    public void AddOutOfRange(string field, string range, IFormattable value) =>
        Add(field, $"must be {range}, is {value.ToString(null, CultureInfo.InvariantCulture)}");

    /// <summary>Notes an enum value that this server does not know.</summary>
    public void AddUnknown(string field, int value) => Add(field, $"{value} is not a value that this server knows");

    public IEnumerator<Violation> GetEnumerator() => _kept.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
