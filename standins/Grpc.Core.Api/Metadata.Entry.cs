using System.Buffers;
using System.Text;

namespace Grpc.Core;

public sealed partial class Metadata
{
    /// <summary>One key with its value. Immutable and thread-safe.</summary>
    public class Entry
    {
        private static readonly SearchValues<char> KeyCharacters =
            SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.");

        private readonly string? _text;
        private readonly byte[]? _bytes;

        /// <summary>Makes a text entry.</summary>
        /// <param name="key">
        /// Letters, digits, <c>_</c>, <c>-</c> and <c>.</c>; kept in lower case; must not end in <c>-bin</c>.
        /// </param>
        /// <param name="value">The text. Only ASCII can be sent; that is not checked here but when it is sent.</param>
        /// <exception cref="ArgumentNullException">An argument is null.</exception>
        /// <exception cref="ArgumentException">
        /// The key is empty, has another character or ends in <c>-bin</c>.
        /// </exception>
        public Entry(string key, string value)
        {
            Key = NormalizeKey(key);
            if (IsBinary)
                throw new ArgumentException(
                    $"Key '{Key}' ends in '{BinaryHeaderSuffix}': it takes bytes.",
                    nameof(key));

            ArgumentNullException.ThrowIfNull(value);
            _text = value;
        }

        /// <summary>Makes a binary entry.</summary>
        /// <param name="key">
        /// Letters, digits, <c>_</c>, <c>-</c> and <c>.</c>; kept in lower case; must end in <c>-bin</c>.
        /// </param>
        /// <param name="valueBytes">The bytes, which are copied.</param>
        /// <exception cref="ArgumentNullException">An argument is null.</exception>
        /// <exception cref="ArgumentException">
        /// The key is empty, has another character or does not end in <c>-bin</c>.
        /// </exception>
        public Entry(string key, byte[] valueBytes)
        {
            Key = NormalizeKey(key);
            if (!IsBinary)
                throw new ArgumentException(
                    $"Key '{Key}' does not end in '{BinaryHeaderSuffix}': it takes text.",
                    nameof(key));

            ArgumentNullException.ThrowIfNull(valueBytes);
            _bytes = [.. valueBytes];
        }

        /// <summary>The key, in lower case.</summary>
        public string Key { get; }

        /// <summary>Whether the value is binary, which the end of the key says.</summary>
        public bool IsBinary => Key.EndsWith(BinaryHeaderSuffix, StringComparison.Ordinal);

        /// <summary>The text.</summary>
        /// <exception cref="InvalidOperationException">The entry is binary.</exception>
        public string Value => _text
            ?? throw new InvalidOperationException($"The value of '{Key}' is binary: read ValueBytes, not Value.");

        /// <summary>The bytes: a new copy each time, ASCII for a text entry.</summary>
        public byte[] ValueBytes => _bytes is null ? Encoding.ASCII.GetBytes(Value) : [.. _bytes];

        /// <summary>Key and value for a log; bytes only as their number.</summary>
        /// <returns>For example <c>trace-id=7</c> or <c>trace-bin=(16 bytes)</c>.</returns>
        public override string ToString() => _bytes is null ? $"{Key}={_text}" : $"{Key}=({_bytes.Length} bytes)";

        private static string NormalizeKey(string key)
        {
            ArgumentNullException.ThrowIfNull(key);
            if (key.Length == 0 || key.AsSpan().ContainsAnyExcept(KeyCharacters))
                throw new ArgumentException(
                    $"Key '{key}' is empty or not of letters, digits, '_', '-' and '.'.",
                    nameof(key));

            return key.ToLowerInvariant();
        }
    }
}
