namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>A token that may be drawn.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Logit">Its logit.</param>
internal readonly record struct Candidate(int Id, float Logit)
{
    /// <summary>
    /// Best first, of equal ones the smaller id: a total order, so that every way of sorting gives the same result.
    /// </summary>
    public static int Compare(Candidate x, Candidate y) =>
        x.Logit > y.Logit ? -1 : x.Logit < y.Logit ? 1 : x.Id.CompareTo(y.Id);
}

/// <summary>Buffers of one worker for drawing a token, made once. Not thread-safe.</summary>
/// <param name="vocabularySize">Number of logits.</param>
internal sealed class SamplerScratch(int vocabularySize)
{
    /// <summary>Logits after penalties, bias and masks.</summary>
    public float[] Logits { get; } = new float[vocabularySize];

    /// <summary>What may be drawn.</summary>
    public Candidate[] Candidates { get; } = new Candidate[vocabularySize];

    /// <summary>Their weights.</summary>
    public double[] Weights { get; } = new double[vocabularySize];
}
