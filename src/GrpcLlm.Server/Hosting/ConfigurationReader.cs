using System.Collections;
using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Reflection;
using GrpcLlm.Server.Backends.Simulator;

namespace GrpcLlm.Server.Hosting;

/// <summary>
/// Binds a section to an options object and names every error with its full key: a value of the wrong form, a value out
/// of range, a key that nothing reads. The framework's binder stops at the first and skips unknown keys.
/// </summary>
internal static class ConfigurationReader
{
    /// <summary>Reads a section into an object.</summary>
    /// <param name="section">The section.</param>
    /// <param name="target">Options object whose public properties are the keys, in any case.</param>
    /// <param name="errors">Where errors go.</param>
    /// <param name="ignoredKeys">Keys that somebody else reads.</param>
    public static void Read(IConfigurationSection section, object target, List<string> errors, params string[] ignoredKeys)
    {
        var properties = target.GetType().GetProperties(BindingFlags.Public | BindingFlags.Instance)
            .Where(static property => property.CanWrite || typeof(IEnumerable).IsAssignableFrom(property.PropertyType))
            .ToDictionary(static property => property.Name, StringComparer.OrdinalIgnoreCase);
        foreach (var child in section.GetChildren())
        {
            if (ignoredKeys.Contains(child.Key, StringComparer.OrdinalIgnoreCase)) continue;
            if (!properties.TryGetValue(child.Key, out var property))
            {
                errors.Add($"{child.Path}: there is no such setting");
                continue;
            }

            ReadProperty(child, target, property, errors);
        }

        Validate(section.Path, target, properties.Values, errors);
    }

    private static void ReadProperty(
        IConfigurationSection section, object target, PropertyInfo property, List<string> errors)
    {
        var value = property.GetValue(target);
        var isScalar = value is string || value is null || value.GetType().IsValueType;
        if (isScalar ? section.GetChildren().Any() : !string.IsNullOrEmpty(section.Value))
        {
            errors.Add(isScalar
                ? $"{section.Path}: must be one value, not a section"
                : $"{section.Path}: must be a section, not the value '{section.Value}'");
            return;
        }

        switch (value)
        {
            case Dictionary<string, BackendSettings> backends:
                foreach (var child in section.GetChildren())
                {
                    var backend = new BackendSettings { Kind = child["Kind"] ?? "", Section = child };
                    Read(child.GetSection(nameof(BackendSettings.Resilience)), backend.Resilience, errors);
                    backends[child.Key] = backend;
                }

                break;
            case Dictionary<string, TenantOptions> tenants:
                foreach (var child in section.GetChildren())
                    Read(child, tenants[child.Key] = new TenantOptions(), errors);
                break;
            case Dictionary<string, ModelOptions> models:
                foreach (var child in section.GetChildren())
                    Read(child, models[child.Key] = new ModelOptions { Name = child.Key }, errors);
                break;
            case List<RouteOptions> routes:
                ReadItems(section, routes, errors);
                break;
            case List<SimulatorFaultOptions> faults:
                ReadItems(section, faults, errors);
                break;
            case List<RedactionOptions> redactions:
                foreach (var child in section.GetChildren())
                {
                    var redaction = new RedactionOptions();
                    Read(child, redaction, errors);
                    redactions.Add(redaction);
                }

                break;
            case List<string> texts:
                texts.AddRange(section.GetChildren().Select(static child => child.Value ?? ""));
                break;
            case LimitOptions or StreamingOptions or ResilienceOptions or AdmissionOptions or ShutdownOptions
                or TelemetryOptions or PriceOptions:
                Read(section, value, errors);
                break;
            default:
                ReadScalar(section, target, property, errors);
                break;
        }
    }

    private static void ReadItems<T>(IConfigurationSection section, List<T> items, List<string> errors)
        where T : class, new()
    {
        foreach (var child in section.GetChildren())
        {
            var item = new T();
            Read(child, item, errors);
            items.Add(item);
        }
    }

    private static void ReadScalar(IConfigurationSection section, object target, PropertyInfo property, List<string> errors)
    {
        var type = Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType;
        if (type == typeof(TimeSpan))
        {
            // Not the lenient form, which reads 60 as sixty days and 25:00:00 as twenty-five.
            if (section.Value?.Contains(':', StringComparison.Ordinal) == true
                && TimeSpan.TryParseExact(section.Value, "c", CultureInfo.InvariantCulture, out var time))
                property.SetValue(target, time);
            else
                errors.Add($"{section.Path}: '{section.Value}' is not {Article(type)}");
            return;
        }

        try
        {
            property.SetValue(
                target, TypeDescriptor.GetConverter(type).ConvertFromString(null, CultureInfo.InvariantCulture, section.Value ?? ""));
        }
        catch (Exception exception) when (exception is ArgumentException or FormatException or OverflowException or NotSupportedException)
        {
            errors.Add($"{section.Path}: '{section.Value}' is not {Article(type)}");
        }
    }

    private static void Validate(string path, object target, IEnumerable<PropertyInfo> properties, List<string> errors)
    {
        foreach (var property in properties)
        {
            foreach (var rule in property.GetCustomAttributes<ValidationAttribute>())
            {
                var value = property.GetValue(target);
                if (!rule.IsValid(value)) errors.Add($"{path}:{property.Name}: {Describe(rule, value)}");
            }
        }
    }

    private static string Describe(ValidationAttribute rule, object? value) => rule switch
    {
        RangeAttribute range => $"must be {range.Minimum} to {range.Maximum}, is {value}",
        RequiredAttribute => "is required",
        _ => rule.FormatErrorMessage("the value"),
    };

    private static string Article(Type type) => type switch
    {
        _ when type == typeof(TimeSpan) => "a time such as 00:00:30",
        _ when type == typeof(bool) => "true or false",
        _ => "a number",
    };
}
