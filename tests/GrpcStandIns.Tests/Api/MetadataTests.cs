namespace GrpcStandIns.Tests.Api;

public class MetadataTests
{
    private static readonly byte[] Bytes = [1, 2, 3];

    [Fact]
    public void NewList_IsEmptyAndWritable()
    {
        var metadata = new Metadata();

        metadata.Count.ShouldBe(0);
        metadata.IsReadOnly.ShouldBeFalse();
        metadata.ShouldBeEmpty();
    }

    [Fact]
    public void SharedEmptyList_AnyChange_IsRefused()
    {
        var entry = new Metadata.Entry("key", "value");

        Metadata.Empty.IsReadOnly.ShouldBeTrue();
        Should.Throw<InvalidOperationException>(() => Metadata.Empty.Add(entry));
        Should.Throw<InvalidOperationException>(() => Metadata.Empty.Add("key", "value"));
        Should.Throw<InvalidOperationException>(() => Metadata.Empty.Add("key-bin", Bytes));
        Should.Throw<InvalidOperationException>(() => Metadata.Empty.Insert(0, entry));
        Should.Throw<InvalidOperationException>(() => Metadata.Empty.Remove(entry));
        Should.Throw<InvalidOperationException>(() => Metadata.Empty.RemoveAt(0));
        Should.Throw<InvalidOperationException>(Metadata.Empty.Clear);
        Should.Throw<InvalidOperationException>(() => Metadata.Empty[0] = entry);
        Metadata.Empty.ShouldBeEmpty();
    }

    [Fact]
    public void Add_SameKeyTwice_KeepsBothInOrder()
    {
        var metadata = new Metadata { { "key", "first" }, { "other", "between" }, { "key", "second" } };

        metadata.Select(entry => entry.Value).ShouldBe(["first", "between", "second"]);
        metadata.GetAll("key").Select(entry => entry.Value).ShouldBe(["first", "second"]);
    }

    [Fact]
    public void Get_SameKeyTwice_ReturnsTheLast()
    {
        var metadata = new Metadata { { "key", "first" }, { "key", "second" } };

        metadata.Get("key").ShouldNotBeNull().Value.ShouldBe("second");
        metadata.GetValue("key").ShouldBe("second");
    }

    [Theory]
    [InlineData("trace-id")]
    [InlineData("Trace-Id")]
    [InlineData("TRACE-ID")]
    public void Get_KeyInAnyCase_FindsTheEntry(string key)
    {
        var metadata = new Metadata { { "Trace-Id", "7" } };

        metadata.GetValue(key).ShouldBe("7");
        metadata.Get(key).ShouldNotBeNull();
        metadata.GetAll(key).Count().ShouldBe(1);
    }

    [Fact]
    public void Get_NoSuchKey_ReturnsNothing()
    {
        var metadata = new Metadata { { "key", "value" } };

        metadata.Get("other").ShouldBeNull();
        metadata.GetValue("other").ShouldBeNull();
        metadata.GetValueBytes("other").ShouldBeNull();
        metadata.GetAll("other").ShouldBeEmpty();
    }

    [Fact]
    public void GetValueBytes_BinaryEntry_ReturnsItsBytes()
    {
        var metadata = new Metadata { { "key-bin", Bytes } };

        metadata.GetValueBytes("KEY-BIN").ShouldBe(Bytes);
    }

    [Fact]
    public void GetValue_BinaryEntry_IsRefused()
    {
        var metadata = new Metadata { { "key-bin", Bytes } };

        Should.Throw<InvalidOperationException>(() => metadata.GetValue("key-bin"));
    }

    [Fact]
    public void ListOperations_BehaveLikeAnyList()
    {
        var first = new Metadata.Entry("a", "1");
        var second = new Metadata.Entry("b", "2");
        var third = new Metadata.Entry("c", "3");
        var metadata = new Metadata { first, third };

        metadata.Insert(1, second);
        metadata.IndexOf(second).ShouldBe(1);
        metadata.Contains(second).ShouldBeTrue();

        var copy = new Metadata.Entry[4];
        metadata.CopyTo(copy, arrayIndex: 1);
        copy.ShouldBe([null!, first, second, third]);

        metadata.Remove(first).ShouldBeTrue();
        metadata.Remove(first).ShouldBeFalse();
        metadata.RemoveAt(1);
        metadata.ShouldBe([second]);

        metadata[0] = third;
        metadata[0].ShouldBeSameAs(third);
        metadata.IndexOf(second).ShouldBe(-1);

        metadata.Clear();
        metadata.Count.ShouldBe(0);
    }

    [Fact]
    public void Add_NullEntry_IsRefused()
    {
        var metadata = new Metadata();

        Should.Throw<ArgumentNullException>(() => metadata.Add(null!));
    }
}
