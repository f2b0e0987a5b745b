namespace Grpc.Core;

/// <summary>The result of a call, as it goes over the wire in <c>grpc-status</c>.</summary>
public enum StatusCode
{
    /// <summary>The call succeeded.</summary>
    OK = 0,

    /// <summary>The call was cancelled, usually by the caller.</summary>
    Cancelled = 1,

    /// <summary>An error with no better code, such as an exception that nobody mapped.</summary>
    Unknown = 2,

    /// <summary>The request is wrong whatever the state of the system.</summary>
    InvalidArgument = 3,

    /// <summary>The deadline passed first; the work may be done all the same.</summary>
    DeadlineExceeded = 4,

    /// <summary>Something the request asks for does not exist.</summary>
    NotFound = 5,

    /// <summary>Something the request wants to create exists already.</summary>
    AlreadyExists = 6,

    /// <summary>The caller is known and may not do this.</summary>
    PermissionDenied = 7,

    /// <summary>A quota, a limit or a resource is used up.</summary>
    ResourceExhausted = 8,

    /// <summary>The system is not in the state the call needs; a retry does not help before that changes.</summary>
    FailedPrecondition = 9,

    /// <summary>The call lost against a concurrent one; retry the whole sequence.</summary>
    Aborted = 10,

    /// <summary>The request reaches past the valid range, which can change with the state of the system.</summary>
    OutOfRange = 11,

    /// <summary>The method does not exist or is not enabled.</summary>
    Unimplemented = 12,

    /// <summary>Something that must always hold is broken.</summary>
    Internal = 13,

    /// <summary>The service cannot be reached or does not take calls now; a retry with backoff may help.</summary>
    Unavailable = 14,

    /// <summary>Data is lost or corrupted beyond recovery.</summary>
    DataLoss = 15,

    /// <summary>The caller gave no valid credentials.</summary>
    Unauthenticated = 16,
}
