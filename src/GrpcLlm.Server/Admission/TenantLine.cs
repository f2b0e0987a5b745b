namespace GrpcLlm.Server.Admission;

/// <summary>One tenant in the queue: its calls that wait, oldest first, and how many run. Under the queue's lock.</summary>
internal sealed class TenantLine
{
    public TenantLine(Tenant tenant)
    {
        Tenant = tenant;
        Turn = new LinkedListNode<TenantLine>(this);
    }

    public Tenant Tenant { get; }

    /// <summary>Its place among the tenants that have waiting calls; in no list while it has none.</summary>
    public LinkedListNode<TenantLine> Turn { get; }

    /// <summary>Its calls that wait.</summary>
    public LinkedList<AdmissionSlot> Waiting { get; } = new();

    /// <summary>Its calls that run.</summary>
    public int Running { get; set; }

    /// <summary>How fast its own places become free while all of them are taken.</summary>
    public ReleasePace Pace;

    /// <summary>Whether its own limit lets one more run.</summary>
    public bool HasRoom => Running < (Tenant.Limits.MaxConcurrent ?? int.MaxValue);
}
