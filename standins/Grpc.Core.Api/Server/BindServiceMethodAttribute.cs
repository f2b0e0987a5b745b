namespace Grpc.Core;

/// <summary>
/// Tells the server which static method registers the methods of a service; generated code carries it.
/// </summary>
/// <param name="bindType">The type that has the method.</param>
/// <param name="bindMethodName">
/// A method that takes a <see cref="ServiceBinderBase"/> and the service base class.
/// </param>
[AttributeUsage(AttributeTargets.Class)]
public class BindServiceMethodAttribute(Type bindType, string bindMethodName) : Attribute
{
    /// <summary>The type that has the method.</summary>
    public Type BindType { get; } = bindType;

    /// <summary>The method's name.</summary>
    public string BindMethodName { get; } = bindMethodName;
}
