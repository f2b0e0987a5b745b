namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>
/// GPT-2's printable alphabet of the 256 bytes: a byte that is a visible Latin-1 character stands for itself, every
/// other for a character from U+0100 upwards, in order. Vocabularies of kind <c>gpt2</c> are written in it.
/// </summary>
internal static class ByteAlphabet
{
    private static readonly char[] Characters = BuildCharacters();

    private static readonly Dictionary<char, byte> Bytes =
        Enumerable.Range(0, 256).ToDictionary(value => Characters[value], value => (byte)value);

    /// <summary>The character that stands for a byte.</summary>
    public static char ToCharacter(byte value) => Characters[value];

    /// <summary>The byte that a character stands for.</summary>
    /// <returns>False for a character that is not in the alphabet.</returns>
    public static bool TryGetByte(char character, out byte value) => Bytes.TryGetValue(character, out value);

    private static char[] BuildCharacters()
    {
        var characters = new char[256];
        int next = 256;
        for (int value = 0; value < characters.Length; value++)
        {
            bool visible = value is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or (>= 0xAE and <= 0xFF);
            characters[value] = visible ? (char)value : (char)next++;
        }

        return characters;
    }
}
