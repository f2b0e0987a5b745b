using System.Buffers.Binary;
using System.Text;

namespace GrpcLlm.Server.Tests.Backends.Embedded.Fuzz;

/// <summary>
/// Spoils GGUF files where it hurts: counts, lengths, types, dimensions, offsets and ids get values at the edges; texts get
/// others; entries are doubled, dropped, swapped and taken from other files; weights become what is no number; and some
/// files are cut. What it makes depends on the random numbers alone.
/// </summary>
internal static class GgufMutator
{
    private static readonly (byte[] File, GgufFields Fields)[] Seeds =
        [.. GgufSeeds.All.Select(file => (file, GgufFields.Of(file)))];

    private static readonly ulong[] Edges =
    [
        0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 12, 13, 14, 15, 31, 32, 33, 63, 64, 100, 127, 128, 255, 256, 257, 259, 260, 261, 1 << 10,
        1 << 16, 1 << 20, (1 << 24) - 1, 1 << 24, (1 << 24) + 1, int.MaxValue, 1ul << 31, uint.MaxValue, 1ul << 32, 1ul << 40,
        long.MaxValue, 1ul << 63, ulong.MaxValue - 31, ulong.MaxValue - 7, ulong.MaxValue,
        0x7F800000, 0xFF800000, 0x7FC00000, 0x80000000, 1, 0x3F800000, 0x7C00, 0xFC00, 0x7E00,
    ];

    private static readonly string[] Texts =
    [
        "", " ", "a", "a b", "ab c", "a ", " a", "a  b", "<0x41>", "<0xZZ>", "<user>", "<end>", "\u2581", "\0", "\uFFFF", "😀",
        "llama", "gpt2", "bert", "gpt-2", "llama-bpe", "qwen2", "smollm", "default", "llama.block_count", "llama.context_length",
        "llama.rope.scaling.type", "tokenizer.ggml.tokens", "tokenizer.ggml.token_type", "tokenizer.ggml.scores",
        "tokenizer.ggml.merges", "tokenizer.chat_template", "general.alignment", "token_embd.weight", "output.weight",
        "blk.0.attn_q.weight", "blk.1.attn_q.weight", "rope_freqs.weight", "{{ messages[0].content }}", "{% for a in messages %}",
        "{{ ((((((", "{% if", "{{ messages[-1].content * 9 }}", "\u0120a", "\u00c0",
    ];

    /// <summary>Makes a file, spoilt in one to five ways.</summary>
    public static byte[] Next(Random random)
    {
        (byte[] seed, GgufFields fields) = Seeds[random.Next(Seeds.Length)];
        byte[] file = [.. seed];
        int ways = 1 << random.Next(3);
        bool isMild = random.Next(3) == 0;
        for (int i = 0; i < ways; i++)
        {
            if (isMild) ChangeContent(random, file, fields);
            else ChangeAnything(random, file, fields);
        }

        return !isMild && random.Next(3) == 0 ? Reshape(random, file, fields) : file;
    }

    // What leaves the file in one piece: weights, and letters of texts.
    private static void ChangeContent(Random random, byte[] file, GgufFields fields)
    {
        if (random.Next(2) == 0)
        {
            SpoilWeights(random, file.AsSpan(fields.End));
            return;
        }

        GgufField text = Pick(random, fields, isText: true);
        file[text.Offset + random.Next(text.Length)] = (byte)random.Next(0x20, 0x7F);
    }

    private static void ChangeAnything(Random random, byte[] file, GgufFields fields)
    {
        switch (random.Next(8))
        {
            case 0:
                file[random.Next(fields.End)] = (byte)random.Next(256);
                break;
            case 1:
                file[random.Next(fields.End)] ^= (byte)(1 << random.Next(8));
                break;
            case 2:
                ChangeContent(random, file, fields);
                break;
            default:
                GgufField number = Pick(random, fields, isText: false);
                Span<byte> bytes = file.AsSpan(number.Offset, number.Length);
                Put(bytes, EdgeNear(random, bytes));
                break;
        }
    }

    private static GgufField Pick(Random random, GgufFields fields, bool isText)
    {
        GgufField[] found = [.. fields.All.Where(field => field.IsText == isText)];
        return found[random.Next(found.Length)];
    }

    // An edge, or the number that was there and a little more or less.
    private static ulong EdgeNear(Random random, ReadOnlySpan<byte> bytes)
    {
        Span<byte> wide = stackalloc byte[8];
        bytes.CopyTo(wide);
        ulong there = BinaryPrimitives.ReadUInt64LittleEndian(wide);
        return random.Next(4) == 0 ? there + (ulong)random.Next(-3, 4) : Edges[random.Next(Edges.Length)];
    }

    private static void Put(Span<byte> bytes, ulong value)
    {
        Span<byte> wide = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(wide, value);
        wide[..bytes.Length].CopyTo(bytes);
    }

    // Random numbers, infinities and what is no number, of every width and as scales of blocks.
    private static void SpoilWeights(Random random, Span<byte> weights)
    {
        if (random.Next(2) == 0)
        {
            random.NextBytes(weights);
            return;
        }

        for (int count = random.Next(1, 64); count > 0; count--)
        {
            int place = random.Next(weights.Length);
            Put(weights.Slice(place, Math.Min(weights.Length - place, 4)), Edges[^random.Next(1, 9)]);
        }
    }

    private static byte[] Reshape(Random random, byte[] file, GgufFields fields)
    {
        switch (random.Next(8))
        {
            case 0: return file[..random.Next(file.Length)];
            case 1: return file[..random.Next(fields.End)];
            case 2: return [.. file, .. new byte[random.Next(100)]];
            case 3: return WithCount(Duplicate(random, file, fields.Keys), 16, 1);
            case 4: return WithCount(Duplicate(random, file, fields.Tensors), 8, 1);
            case 5: return Drop(random, file, fields);
            case 6: return WithText(random, file, fields);
            default: return WithForeignKey(random, file, fields);
        }
    }

    // The copy stands behind the original.
    private static byte[] Duplicate(Random random, byte[] file, IReadOnlyList<(int Start, int End)> entries)
    {
        (int start, int end) = entries[random.Next(entries.Count)];
        return [.. file[..end], .. file[start..]];
    }

    private static byte[] Drop(Random random, byte[] file, GgufFields fields)
    {
        bool isKey = random.Next(2) == 0;
        IReadOnlyList<(int Start, int End)> entries = isKey ? fields.Keys : fields.Tensors;
        (int start, int end) = entries[random.Next(entries.Count)];
        return WithCount([.. file[..start], .. file[end..]], isKey ? 16 : 8, -1);
    }

    private static byte[] WithText(Random random, byte[] file, GgufFields fields)
    {
        GgufField field = Pick(random, fields, isText: true);
        byte[] text = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat(
            Texts[random.Next(Texts.Length)], random.Next(8) == 0 ? random.Next(1000) : 1)));
        byte[] changed = [.. file[..field.Offset], .. text, .. file[(field.Offset + field.Length)..]];
        Put(changed.AsSpan(field.Offset - 8, 8), (ulong)text.Length);
        return changed;
    }

    private static byte[] WithForeignKey(Random random, byte[] file, GgufFields fields)
    {
        (byte[] other, GgufFields others) = Seeds[random.Next(Seeds.Length)];
        (int start, int end) = others.Keys[random.Next(others.Keys.Count)];
        int place = fields.Keys[random.Next(fields.Keys.Count)].Start;
        return WithCount([.. file[..place], .. other[start..end], .. file[place..]], 16, 1);
    }

    private static byte[] WithCount(byte[] file, int offset, int change)
    {
        Span<byte> bytes = file.AsSpan(offset, 8);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, BinaryPrimitives.ReadUInt64LittleEndian(bytes) + (ulong)change);
        return file;
    }
}
