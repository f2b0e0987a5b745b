using System.Text;
using GrpcLlm.Server.Hosting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace GrpcLlm.Fuzz.Targets;

/// <summary>Settings, as a file that is read again under running streams: valid, or refused with every error named.</summary>
internal sealed class SettingsTarget : FuzzTarget
{
    private const string Valid =
        """
        {"GrpcLlm":{"DefaultModel":"m","Backends":{"up":{"Kind":"openai","BaseUrl":"http://127.0.0.1:1/v1","ApiKeys":["env:KEY"],
        "ConnectTimeout":"00:00:05","FirstTokenTimeout":"00:00:30","IdleTimeout":"00:00:30","AllowedProviderOptions":["service_tier"]},
        "simulator":{"Kind":"simulator","TimeToFirstToken":"00:00:00.2"}},
        "Models":{"m":{"Name":"a:b","Aliases":["c"],"Routes":[{"Backend":"up","Model":"x","Weight":2},{"Backend":"simulator","Weight":1}],
        "Price":{"Currency":"EUR","Input":0.15,"Output":0.6}}},"Limits":{"MaxRequestBytes":1048576},"Streaming":{"DeadlineMargin":"00:00:00.05"},
        "Resilience":{"MaxAttempts":3,"TotalTimeout":"00:01:00","HedgeAfter":"00:00:02"},"Admission":{"MaxConcurrent":100,"MaxQueue":10},
        "Tenants":{"t":{"CertificateSubjects":["CN=t"],"Models":["a:b"]}},"Shutdown":{"Delay":"00:00:00","Grace":"00:00:30"}}}
        """;

    public override string Name => "settings";

    public override byte[] Make(Random random, IReadOnlyList<byte[]> corpus) =>
        Mutator.Change(random, Encoding.UTF8.GetBytes(Valid), corpus, "\"99999999.00:00:00\"", "\"-1.00:00:00\"", "\"http://\"", "\"file:\"", "\"x:y\"", "\"embedded\"");

    public override void Check(byte[] input)
    {
        IConfiguration configuration;
        try
        {
            configuration = new ConfigurationBuilder().AddJsonStream(new MemoryStream(input)).Build();
        }
        catch (Exception exception) when (exception is FormatException or InvalidDataException or InvalidOperationException or System.Text.Json.JsonException)
        {
            // The framework: the file is no JSON. From a file, all of these come as InvalidDataException.
            return;
        }

        try
        {
            GrpcLlmOptions.Bind(SettingsSnapshot.Take(configuration).Configuration);
        }
        catch (OptionsValidationException exception)
        {
            FindingException.Unless(exception.Failures.Any() && exception.Failures.All(static one => one.Length > 0), "no error is named");
        }
    }
}
