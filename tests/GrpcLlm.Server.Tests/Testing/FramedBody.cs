using System.Text;
using GrpcLlm.Server.Backends.Http;

namespace GrpcLlm.Server.Tests.Testing;

/// <summary>A body read through a framing as a backend does: in pieces, with the bytes that are not done with given again.</summary>
internal static class FramedBody
{
    /// <summary>All events of the body.</summary>
    /// <param name="framing">New.</param>
    /// <param name="body">The body.</param>
    /// <param name="nextPiece">How many bytes come next; at least 1.</param>
    public static List<(string Type, string Data)> Read(EventFraming framing, ReadOnlySpan<byte> body, Func<int> nextPiece)
    {
        var events = new List<(string, string)>();
        var (start, end) = (0, 0);
        for (var isEnd = false; ;)
        {
            while (true)
            {
                var any = framing.TryTake(body[start..end], isEnd, out var used, out var type, out var data);
                start += used;
                if (!any) break;
                events.Add((type, Encoding.UTF8.GetString(data)));
            }

            if (isEnd) return events;
            isEnd = end == body.Length;
            end = Math.Min(body.Length, end + nextPiece());
        }
    }
}
