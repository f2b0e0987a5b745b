using Grpc.Core;
using GrpcLlm.V1;

namespace GrpcLlm.Client.Chat;

/// <summary>What of a chat request has no place in the contract, gathered so that all is told at once. Not thread-safe.</summary>
internal sealed class ChatRefusals
{
    private readonly List<RequestViolation> _violations = [];

    /// <summary>Notes something that cannot be sent.</summary>
    /// <param name="path">Where it stands, such as <c>messages[2].contents[0]</c> or <c>options.ConversationId</c>.</param>
    /// <param name="why">What is wrong with it, for people; never what it holds.</param>
    public void Add(string path, string why) => _violations.Add(new RequestViolation(path, why));

    /// <summary>Ends the matter.</summary>
    /// <exception cref="GenerationException">Something was noted; in the form of the server's own refusals.</exception>
    public void ThrowIfAny()
    {
        if (_violations.Count == 0) return;
        throw new GenerationException(string.Join("; ", _violations.Select(violation => $"{violation.Field} {violation.Description}")))
        {
            Reason = ErrorReason.InvalidRequest,
            ReasonName = "INVALID_REQUEST",
            StatusCode = StatusCode.InvalidArgument,
            Violations = _violations,
        };
    }
}
