using System.Reflection;

namespace GrpcStandIns.Tests.Api;

public class ServiceBindingTests
{
    private static readonly Marshaller<string> Text = Marshallers.StringMarshaller;
    private static readonly Method<string, string> Hello = new(MethodType.Unary, "Greeter", "Hello", Text, Text);

    [Fact]
    public void GeneratedBase_NamesItsBindMethod()
    {
        var attribute = typeof(Echo.EchoBase).GetCustomAttribute<BindServiceMethodAttribute>().ShouldNotBeNull();

        attribute.BindType.ShouldBe(typeof(Echo));
        attribute.BindMethodName.ShouldBe(nameof(Echo.BindService));
    }

    [Fact]
    public void GeneratedBindMethod_GivesEveryKindToTheBinder()
    {
        var binder = new RecordingBinder();

        Echo.BindService(binder, new EmptyEcho());

        binder.Methods.ShouldBe(
        [
            ("Unary", MethodType.Unary),
            ("Collect", MethodType.ClientStreaming),
            ("Expand", MethodType.ServerStreaming),
            ("Chat", MethodType.DuplexStreaming),
        ]);
    }

    [Fact]
    public void Binder_MembersNotOverridden_AreNotImplemented()
    {
        var binder = new BareBinder();

        Should.Throw<NotImplementedException>(() =>
            binder.AddMethod(Hello, (UnaryServerMethod<string, string>)null!));
        Should.Throw<NotImplementedException>(() =>
            binder.AddMethod(Hello, (ClientStreamingServerMethod<string, string>)null!));
        Should.Throw<NotImplementedException>(() =>
            binder.AddMethod(Hello, (ServerStreamingServerMethod<string, string>)null!));
        Should.Throw<NotImplementedException>(() =>
            binder.AddMethod(Hello, (DuplexStreamingServerMethod<string, string>)null!));
    }

    [Fact]
    public void Definition_SameMethodTwice_IsRefused()
    {
        var builder = ServerServiceDefinition.CreateBuilder();
        UnaryServerMethod<string, string> handler = (request, _) => Task.FromResult(request);
        builder.AddMethod(Hello, handler).ShouldBeSameAs(builder);

        Should.Throw<ArgumentException>(() => builder.AddMethod(Hello, handler));
    }

    private sealed class EmptyEcho : Echo.EchoBase;

    private sealed class BareBinder : ServiceBinderBase;

    private sealed class RecordingBinder : ServiceBinderBase
    {
        public List<(string Name, MethodType Kind)> Methods { get; } = [];

        public override void AddMethod<TRequest, TResponse>(
            Method<TRequest, TResponse> method,
            UnaryServerMethod<TRequest, TResponse>? handler) => Methods.Add((method.Name, MethodType.Unary));

        public override void AddMethod<TRequest, TResponse>(
            Method<TRequest, TResponse> method,
            ClientStreamingServerMethod<TRequest, TResponse>? handler) =>
            Methods.Add((method.Name, MethodType.ClientStreaming));

        public override void AddMethod<TRequest, TResponse>(
            Method<TRequest, TResponse> method,
            ServerStreamingServerMethod<TRequest, TResponse>? handler) =>
            Methods.Add((method.Name, MethodType.ServerStreaming));

        public override void AddMethod<TRequest, TResponse>(
            Method<TRequest, TResponse> method,
            DuplexStreamingServerMethod<TRequest, TResponse>? handler) =>
            Methods.Add((method.Name, MethodType.DuplexStreaming));
    }
}
