using System.Globalization;
using System.Text;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;

namespace GrpcLlm.Server.Telemetry.Prometheus;

/// <summary>How a scrape is written.</summary>
internal enum PrometheusFormat
{
    /// <summary>Prometheus text format 0.0.4.</summary>
    Text,

    /// <summary>OpenMetrics 1.0.0, which has exemplars.</summary>
    OpenMetrics,
}

/// <summary>
/// Writes collected metrics for Prometheus. One family stands in one block, whatever meters its points come from; one that
/// contradicts the type of an earlier one is left out, since the format has no way to say both. Not thread-safe.
/// </summary>
internal sealed class PrometheusText(PrometheusFormat format)
{
    private const string ScopeName = "otel_scope_name";
    private const string ScopeVersion = "otel_scope_version";

    private readonly StringBuilder _text = new(16_384);

    private bool IsOpenMetrics => format == PrometheusFormat.OpenMetrics;

    /// <summary>Writes all metrics, and the resource as <c>target_info</c>.</summary>
    public string Write(IEnumerable<Metric> metrics, Resource resource)
    {
        _text.Clear();
        WriteResource(resource);
        foreach (var family in metrics.Where(static metric => TypeOf(metric) is not null).GroupBy(NameOf, StringComparer.Ordinal))
        {
            var type = TypeOf(family.First())!;
            WriteHead(family.Key, type, family.First().Description);
            foreach (var metric in family.Where(metric => TypeOf(metric) == type))
            {
                foreach (ref readonly var point in metric.GetMetricPoints()) WritePoint(family.Key, metric, point);
            }
        }

        if (IsOpenMetrics) _text.Append("# EOF\n");
        return _text.ToString();
    }

    private static string NameOf(Metric metric) =>
        PrometheusNames.OfMetric(metric.Name, metric.Unit, TypeOf(metric) == "gauge");

    // No instrument here asks for an exponential histogram, and the text formats could not tell one.
    private static string? TypeOf(Metric metric) => metric.MetricType switch
    {
        MetricType.LongSum or MetricType.DoubleSum => "counter",
        MetricType.LongSumNonMonotonic or MetricType.DoubleSumNonMonotonic or MetricType.LongGauge
            or MetricType.DoubleGauge => "gauge",
        MetricType.Histogram => "histogram",
        _ => null,
    };

    private void WriteResource(Resource resource)
    {
        // OpenMetrics has a type of its own for it.
        WriteHead(IsOpenMetrics ? "target" : "target_info", IsOpenMetrics ? "info" : "gauge", "What is scraped.");
        WriteSample("target_info", Render(resource.Attributes.Select(static pair => (pair.Key, Text(pair.Value)))), "1");
    }

    private void WriteHead(string name, string type, string help)
    {
        // In OpenMetrics the family of a counter is named without its suffix.
        var shown = type == "counter" && !IsOpenMetrics ? name + "_total" : name;
        if (help.Length > 0) _text.Append("# HELP ").Append(shown).Append(' ').Append(EscapeHelp(help)).Append('\n');
        _text.Append("# TYPE ").Append(shown).Append(' ').Append(type).Append('\n');
    }

    private void WritePoint(string name, Metric metric, in MetricPoint point)
    {
        // Once for all samples of a point: a histogram has many.
        var labels = Render(LabelsOf(metric, point));
        switch (metric.MetricType)
        {
            case MetricType.LongSum:
                WriteSample(name + "_total", labels, Text(point.GetSumLong()));
                break;
            case MetricType.DoubleSum:
                WriteSample(name + "_total", labels, Text(point.GetSumDouble()));
                break;
            case MetricType.LongSumNonMonotonic:
                WriteSample(name, labels, Text(point.GetSumLong()));
                break;
            case MetricType.DoubleSumNonMonotonic:
                WriteSample(name, labels, Text(point.GetSumDouble()));
                break;
            case MetricType.LongGauge:
                WriteSample(name, labels, Text(point.GetGaugeLastValueLong()));
                break;
            case MetricType.DoubleGauge:
                WriteSample(name, labels, Text(point.GetGaugeLastValueDouble()));
                break;
            default:
                WriteHistogram(name, labels, point);
                break;
        }
    }

    private void WriteHistogram(string name, string labels, in MetricPoint point)
    {
        List<Exemplar> exemplars = [];
        if (IsOpenMetrics && point.TryGetExemplars(out var collected))
        {
            foreach (ref readonly var exemplar in collected) exemplars.Add(exemplar);
        }

        long sum = 0;
        var lower = double.NegativeInfinity;
        foreach (var bucket in point.GetHistogramBuckets())
        {
            sum += bucket.BucketCount;
            _text.Append(name).Append("_bucket{").Append(labels).Append(labels.Length > 0 ? "," : "")
                .Append("le=\"").Append(Text(bucket.ExplicitBound)).Append("\"} ").Append(sum);
            var (from, to) = (lower, bucket.ExplicitBound);
            var at = exemplars.FindIndex(one => one.DoubleValue > from && one.DoubleValue <= to && one.TraceId != default);
            if (at >= 0) WriteExemplar(exemplars[at]);
            _text.Append('\n');
            lower = to;
        }

        WriteSample(name + "_sum", labels, Text(point.GetHistogramSum()));
        WriteSample(name + "_count", labels, Text(point.GetHistogramCount()));
    }

    private void WriteExemplar(in Exemplar exemplar)
    {
        _text.Append(" # {trace_id=\"").Append(exemplar.TraceId.ToHexString())
            .Append("\",span_id=\"").Append(exemplar.SpanId.ToHexString()).Append("\"} ")
            .Append(Text(exemplar.DoubleValue)).Append(' ').Append(Text(exemplar.Timestamp.ToUnixTimeMilliseconds() / 1000.0));
    }

    private void WriteSample(string name, string labels, string value)
    {
        _text.Append(name);
        if (labels.Length > 0) _text.Append('{').Append(labels).Append('}');
        _text.Append(' ').Append(value).Append('\n');
    }

    private static List<(string Name, string Value)> LabelsOf(Metric metric, in MetricPoint point)
    {
        var labels = new List<(string Name, string Value)>(point.Tags.Count + 2) { (ScopeName, metric.MeterName) };
        if (metric.MeterVersion.Length > 0) labels.Add((ScopeVersion, metric.MeterVersion));
        foreach (var tag in point.Tags) labels.Add((tag.Key, Text(tag.Value)));
        return labels;
    }

    /// <summary>Labels without their braces.</summary>
    private static string Render(IEnumerable<(string Name, string Value)> labels)
    {
        // Names that only differ in characters that a label cannot have are one label; the specification joins the values.
        var joined = new OrderedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var (name, value) in labels)
        {
            var clean = PrometheusNames.OfLabel(name);
            if (!joined.TryAdd(clean, value)) joined[clean] += ';' + value;
        }

        return string.Join(',', joined.Select(static label => $"{label.Key}=\"{Escape(label.Value)}\""));
    }

    private string EscapeHelp(string text) => IsOpenMetrics ? Escape(text) : text.Replace(@"\", @"\\", StringComparison.Ordinal).Replace("\n", @"\n", StringComparison.Ordinal);

    private static string Escape(string text) => text
        .Replace(@"\", @"\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)
        .Replace("\n", @"\n", StringComparison.Ordinal);

    private string Text(double value) => value switch
    {
        double.PositiveInfinity => "+Inf",
        double.NegativeInfinity => "-Inf",
        _ when double.IsInteger(value) && Math.Abs(value) < 1e15 =>
            value.ToString(IsOpenMetrics ? "0.0" : "0", CultureInfo.InvariantCulture),
        _ => value.ToString("R", CultureInfo.InvariantCulture),
    };

    private static string Text(long value) => value.ToString(CultureInfo.InvariantCulture);

    private static string Text(object? value) => value switch
    {
        null => "",
        string text => text,
        bool flag => flag ? "true" : "false",
        Array array => string.Join(';', array.Cast<object?>().Select(Text)),
        _ => Convert.ToString(value, CultureInfo.InvariantCulture) ?? "",
    };
}
