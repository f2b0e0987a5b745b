using GrpcLlm.Server.Admission;
using GrpcLlm.Server.Routing;
using GrpcLlm.Server.Telemetry;

namespace GrpcLlm.Server.Hosting;

/// <summary>
/// All that is served, as of one state of the configuration. A call reads everything from the one it leased, so a reload
/// never shows it half of two states. Immutable but for the count of those who use it; thread-safe.
/// </summary>
internal sealed class Deployment
{
    // The one for being current.
    private int _users = 1;

    /// <param name="settings">What it was made of.</param>
    /// <param name="options">The settings as read.</param>
    /// <param name="tenants">Who may call.</param>
    /// <param name="catalog">The models.</param>
    /// <param name="backends">The backends by name, which it holds from now on.</param>
    public Deployment(
        SettingsSnapshot settings, GrpcLlmOptions options, TenantDirectory tenants, ModelCatalog catalog,
        IReadOnlyDictionary<string, SharedBackend> backends)
    {
        Settings = settings;
        Options = options;
        Tenants = tenants;
        Catalog = catalog;
        Backends = backends;
        Content = ContentPolicy.Of(options.Telemetry);
        foreach (var backend in backends.Values) backend.Hold();
    }

    /// <summary>What it was made of.</summary>
    public SettingsSnapshot Settings { get; }

    /// <summary>The settings as read.</summary>
    public GrpcLlmOptions Options { get; }

    /// <summary>Who may call. Tenants are the same objects from one deployment to the next.</summary>
    public TenantDirectory Tenants { get; }

    /// <summary>The models.</summary>
    public ModelCatalog Catalog { get; }

    /// <summary>How content is logged; null: not at all.</summary>
    public ContentPolicy? Content { get; }

    /// <summary>The backends by name, in any case.</summary>
    public IReadOnlyDictionary<string, SharedBackend> Backends { get; }

    /// <summary>Keeps it, if anybody still does.</summary>
    public bool TryKeep()
    {
        var users = Volatile.Read(ref _users);
        while (users > 0)
        {
            var seen = Interlocked.CompareExchange(ref _users, users + 1, users);
            if (seen == users) return true;
            users = seen;
        }

        return false;
    }

    /// <summary>Lets go of it.</summary>
    /// <returns>Whether nobody keeps it any more.</returns>
    public bool Leave() => Interlocked.Decrement(ref _users) == 0;
}
