namespace GrpcStandIns.Tests.Api;

public class CallCredentialsTests
{
    [Fact]
    public void FromInterceptor_TellsTheTransportTheInterceptor()
    {
        AsyncAuthInterceptor interceptor = (_, _) => Task.CompletedTask;
        var configurator = new Recorder();
        var state = new object();

        CallCredentials.FromInterceptor(interceptor).InternalPopulateConfiguration(configurator, state);

        configurator.Interceptor.ShouldBeSameAs(interceptor);
        configurator.Parts.ShouldBeNull();
        configurator.State.ShouldBeSameAs(state);
    }

    [Fact]
    public void Compose_TellsTheTransportThePartsInOrder()
    {
        var first = CallCredentials.FromInterceptor((_, _) => Task.CompletedTask);
        var second = CallCredentials.FromInterceptor((_, _) => Task.CompletedTask);
        var configurator = new Recorder();
        var state = new object();

        CallCredentials.Compose(first, second).InternalPopulateConfiguration(configurator, state);

        configurator.Parts.ShouldBe([first, second]);
        configurator.Interceptor.ShouldBeNull();
        configurator.State.ShouldBeSameAs(state);
    }

    [Fact]
    public void Compose_OfLessThanTwo_IsRefused()
    {
        var single = CallCredentials.FromInterceptor((_, _) => Task.CompletedTask);

        Should.Throw<ArgumentException>(() => CallCredentials.Compose());
        Should.Throw<ArgumentException>(() => CallCredentials.Compose(single));
        Should.Throw<ArgumentNullException>(() => CallCredentials.Compose(null!));
    }

    [Fact]
    public void FromInterceptor_OfNull_IsRefused() =>
        Should.Throw<ArgumentNullException>(() => CallCredentials.FromInterceptor(null!));

    [Fact]
    public void InterceptorContext_KeepsItsParts()
    {
        using var source = new CancellationTokenSource();

        var context = new AuthInterceptorContext("https://host/Greeter", "Hello", source.Token);

        context.ServiceUrl.ShouldBe("https://host/Greeter");
        context.MethodName.ShouldBe("Hello");
        context.CancellationToken.ShouldBe(source.Token);
        new AuthInterceptorContext("https://host/Greeter", "Hello").CancellationToken.CanBeCanceled.ShouldBeFalse();
    }

    private sealed class Recorder : CallCredentialsConfiguratorBase
    {
        public object? State { get; private set; }

        public AsyncAuthInterceptor? Interceptor { get; private set; }

        public IReadOnlyList<CallCredentials>? Parts { get; private set; }

        public override void SetAsyncAuthInterceptorCredentials(object? state, AsyncAuthInterceptor interceptor) =>
            (State, Interceptor) = (state, interceptor);

        public override void SetCompositeCredentials(object? state, IReadOnlyList<CallCredentials> credentials) =>
            (State, Parts) = (state, credentials);
    }
}
