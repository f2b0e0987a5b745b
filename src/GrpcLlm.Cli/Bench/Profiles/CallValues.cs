using System.Buffers.Binary;

namespace GrpcLlm.Cli.Bench.Profiles;

/// <summary>
/// What the templates of one call may name. Everything drawn by chance follows from the seed and the number of the call,
/// so that a run repeats whichever call comes first. For one call on one thread.
/// </summary>
internal sealed class CallValues
{
    private const string Letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    private const int ShortestString = 2;
    private const int LongestString = 16;

    private ulong _random;

    /// <summary>Values of a call.</summary>
    /// <param name="requestNumber">Number of the call, from 0.</param>
    /// <param name="workerId">Who makes it: letters and digits, since it may end up inside JSON.</param>
    /// <param name="now">When.</param>
    /// <param name="seed">Seed of the run.</param>
    public CallValues(long requestNumber, string workerId, DateTimeOffset now, long seed)
    {
        RequestNumber = requestNumber;
        WorkerId = workerId;
        Now = now;
        _random = (ulong)seed;
        _random = Next() ^ (ulong)requestNumber;
        Uuid = NewUuid();
    }

    /// <summary>Number of the call, from 0.</summary>
    public long RequestNumber { get; }

    /// <summary>Who makes it.</summary>
    public string WorkerId { get; }

    /// <summary>When, in UTC.</summary>
    public DateTimeOffset Now { get; }

    /// <summary>When, in nanoseconds since 1970, in steps of 100.</summary>
    public long UnixNanoseconds => (Now - DateTimeOffset.UnixEpoch).Ticks * 100;

    /// <summary>The call's own UUID.</summary>
    public string Uuid { get; }

    /// <summary>Another UUID, version 4.</summary>
    public string NewUuid()
    {
        Span<byte> bytes = stackalloc byte[16];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, Next());
        BinaryPrimitives.WriteUInt64BigEndian(bytes[8..], Next());
        bytes[6] = (byte)((bytes[6] & 0x0F) | 0x40);
        bytes[8] = (byte)((bytes[8] & 0x3F) | 0x80);
        return new Guid(bytes, bigEndian: true).ToString();
    }

    /// <summary>Letters and digits; of a length from 2 to 16 where none above 0 is given.</summary>
    public string RandomString(int length)
    {
        if (length <= 0) length = RandomInt(ShortestString, LongestString + 1);
        return string.Create(length, this, static (text, values) =>
        {
            for (var i = 0; i < text.Length; i++) text[i] = Letters[values.RandomInt(0, Letters.Length)];
        });
    }

    /// <summary>A number from <paramref name="least"/> on, below <paramref name="bound"/>.</summary>
    public int RandomInt(int least, int bound) =>
        (int)(least + (long)Math.BigMul(Next(), (ulong)((long)bound - least), out _));

    /// <summary>SplitMix64 (Steele, Lea and Flood, 2014).</summary>
    private ulong Next()
    {
        _random += 0x9E3779B97F4A7C15;
        var mixed = (_random ^ (_random >> 30)) * 0xBF58476D1CE4E5B9;
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB;
        return mixed ^ (mixed >> 31);
    }
}
