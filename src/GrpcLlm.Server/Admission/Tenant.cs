namespace GrpcLlm.Server.Admission;

/// <summary>Who calls. Names of generations are the tenant's own: nobody sees or cancels another's.</summary>
/// <param name="Name">Configured name; empty for callers without credentials.</param>
internal sealed record Tenant(string Name)
{
    /// <summary>Everybody, where no tenants are configured.</summary>
    public static Tenant Anonymous { get; } = new("");
}
