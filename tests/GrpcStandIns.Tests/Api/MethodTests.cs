namespace GrpcStandIns.Tests.Api;

public class MethodTests
{
    private static readonly Marshaller<string> Text = Marshallers.StringMarshaller;

    [Fact]
    public void Method_KeepsItsPartsAndJoinsThePath()
    {
        var responses = Marshallers.Create<string>(_ => [], _ => "");
        var method = new Method<string, string>(
            MethodType.ServerStreaming, "greet.v1.Greeter", "Hello", Text, responses);

        method.Type.ShouldBe(MethodType.ServerStreaming);
        method.ServiceName.ShouldBe("greet.v1.Greeter");
        method.Name.ShouldBe("Hello");
        method.FullName.ShouldBe("/greet.v1.Greeter/Hello");
        method.RequestMarshaller.ShouldBeSameAs(Text);
        method.ResponseMarshaller.ShouldBeSameAs(responses);
    }

    [Fact]
    public void Interface_GivesTheSameNames()
    {
        ShouldBeUnaryHello(new Method<string, string>(MethodType.Unary, "Greeter", "Hello", Text, Text));

        static void ShouldBeUnaryHello(IMethod method)
        {
            method.Type.ShouldBe(MethodType.Unary);
            method.ServiceName.ShouldBe("Greeter");
            method.Name.ShouldBe("Hello");
            method.FullName.ShouldBe("/Greeter/Hello");
        }
    }

    [Fact]
    public void NullArguments_AreRefused()
    {
        Should.Throw<ArgumentNullException>(() => Make(null!, "Hello", Text, Text));
        Should.Throw<ArgumentNullException>(() => Make("Greeter", null!, Text, Text));
        Should.Throw<ArgumentNullException>(() => Make("Greeter", "Hello", null!, Text));
        Should.Throw<ArgumentNullException>(() => Make("Greeter", "Hello", Text, null!));
    }

    private static Method<string, string> Make(
        string service,
        string name,
        Marshaller<string> requests,
        Marshaller<string> responses) => new(MethodType.Unary, service, name, requests, responses);
}
