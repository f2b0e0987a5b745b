using System.Numerics;

namespace GrpcLlm.Server.Backends.Embedded.Structured;

/// <summary>A set of tokens.</summary>
/// <param name="vocabularySize">Number of tokens.</param>
internal sealed class TokenMask(int vocabularySize)
{
    private readonly ulong[] _words = new ulong[(vocabularySize + 63) / 64];

    /// <summary>The longest of the shortest ways to an end behind its tokens, in bytes; 0 for none.</summary>
    public long LongestEnd { get; set; }

    /// <summary>Whether no token is in it.</summary>
    public bool IsEmpty => !_words.AsSpan().ContainsAnyExcept(0UL);

    /// <summary>Adds a token.</summary>
    public void Add(int token) => _words[token >> 6] |= 1UL << token;

    /// <summary>Takes all out.</summary>
    public void Clear()
    {
        _words.AsSpan().Clear();
        LongestEnd = 0;
    }

    /// <summary>Makes every token impossible that is not in it.</summary>
    public void Apply(Span<float> logits)
    {
        for (int i = 0; i < _words.Length; i++)
        {
            ulong word = _words[i];
            if (word == ulong.MaxValue) continue;
            Span<float> part = logits[(i * 64)..Math.Min((i + 1) * 64, logits.Length)];
            if (word == 0)
            {
                part.Fill(float.NegativeInfinity);
                continue;
            }

            ulong missing = part.Length == 64 ? ~word : ~word & ((1UL << part.Length) - 1);
            for (; missing != 0; missing &= missing - 1) part[BitOperations.TrailingZeroCount(missing)] = float.NegativeInfinity;
        }
    }
}
