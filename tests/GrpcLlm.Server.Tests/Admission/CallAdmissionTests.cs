using GrpcLlm.Server.Admission;
using GrpcLlm.Server.Hosting;
using GrpcLlm.Server.Requests;
using GrpcLlm.Server.Tests.Testing;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Admission;

public sealed class CallAdmissionTests : IDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly AdmissionQueue _queue;
    private readonly CallAdmission _admission;
    private readonly Tenant _tenant;

    public CallAdmissionTests()
    {
        _queue = new AdmissionQueue(new AdmissionOptions { MaxConcurrent = 1, MaxQueue = 1 }, _time);
        _admission = new CallAdmission(_queue);
        _tenant = new Tenant("t", new TenantLimits { RequestsPerMinute = 10, TokensPerMinute = 100 }, _time);
    }

    private (long Requests, long Tokens) Left => (_tenant.RequestBudget!.Available, _tenant.TokenBudget!.Available);

    public void Dispose() => _queue.Dispose();

    [Fact]
    public async Task Admit_PlaceFree_IsDoneAtOnceAndTakesRequestAndTokens()
    {
        var admission = AdmitAsync();
        admission.IsCompleted.ShouldBeTrue();
        using var call = await admission;

        Left.ShouldBe((9, 70));
        call.Tokens.ShouldNotBeNull();
        _queue.Running.ShouldBe(1);
    }

    [Fact]
    public async Task Dispose_Settled_KeepsTheTrueUseAndFreesThePlace()
    {
        var call = await AdmitAsync();

        call.Settle(17);
        call.Settle(99);
        call.Dispose();

        Left.ShouldBe((9, 83));
        _queue.Running.ShouldBe(0);
    }

    [Fact]
    public async Task Dispose_NotSettled_ChargesWhatWasTaken()
    {
        var call = await AdmitAsync();
        call.Tokens!.Take(4);

        call.Dispose();
        call.Dispose();

        Left.ShouldBe((9, 96));
    }

    [Fact]
    public async Task Admit_NoLimits_CountsNothing()
    {
        using var call = (await _admission.AdmitAsync(Tenant.Anonymous, 10, 20, null, null, CancellationToken.None))!;

        call.Tokens.ShouldBeNull();
        call.Settle(1000);
    }

    [Fact]
    public async Task Admit_TooFewTokens_GivesTheRequestBack()
    {
        _tenant.TokenBudget!.Charge(80);

        var failure = await Should.ThrowAsync<CallFailureException>(async () => await AdmitAsync());

        failure.QuotaLimit.ShouldBe("tokens per minute");
        Left.ShouldBe((10, 20));
        _queue.Running.ShouldBe(0);
    }

    [Fact]
    public async Task Admit_NoRequestLeft_TouchesNothingElse()
    {
        for (var request = 0; request < 10; request++) _tenant.TakeRequest();

        var failure = await Should.ThrowAsync<CallFailureException>(async () => await AdmitAsync());

        failure.QuotaLimit.ShouldBe("requests per minute");
        Left.ShouldBe((0, 100));
    }

    [Fact]
    public async Task Admit_QueueRefuses_GivesAllBack()
    {
        using var running = await _admission.AdmitAsync(Tenant.Anonymous, 0, null, null, null, CancellationToken.None);
        var waiting = _admission.AdmitAsync(Tenant.Anonymous, 0, null, null, null, CancellationToken.None);
        _queue.Close();

        (await Should.ThrowAsync<CallFailureException>(async () => await AdmitAsync())).Reason.ShouldBe(ErrorReason.Draining);
        (await Should.ThrowAsync<CallFailureException>(async () => await waiting)).Reason.ShouldBe(ErrorReason.Draining);

        Left.ShouldBe((10, 100));
    }

    [Fact]
    public async Task Admit_LeavesWhileQueued_GivesAllBack()
    {
        using var running = await _admission.AdmitAsync(Tenant.Anonymous, 0, null, null, null, CancellationToken.None);
        using var stop = new CancellationTokenSource();
        var waiting = AdmitStoppableAsync(stop.Token);
        waiting.IsCompleted.ShouldBeFalse();
        Left.ShouldBe((9, 70));

        await stop.CancelAsync();

        (await waiting).ShouldBeNull();
        Left.ShouldBe((10, 100));
        _queue.Waiting.ShouldBe(0);
    }

    private async ValueTask<AdmittedCall> AdmitAsync() => (await AdmitStoppableAsync(TestContext.Current.CancellationToken))!;

    private ValueTask<AdmittedCall?> AdmitStoppableAsync(CancellationToken stopped) =>
        _admission.AdmitAsync(_tenant, 10, 20, null, null, stopped);
}
