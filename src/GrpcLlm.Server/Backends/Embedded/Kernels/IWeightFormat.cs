namespace GrpcLlm.Server.Backends.Embedded.Kernels;

/// <summary>
/// How a row of weights lies in memory. It is read in units of <see cref="Unit"/> values, exactly as the format defines
/// them: no format loses anything on its way to float32.
/// </summary>
internal interface IWeightFormat
{
    /// <summary>Values that are read at a time.</summary>
    const int Unit = 32;

    /// <summary>
    /// Whether a unit is read so quickly that for a single vector it is best done in registers, several rows at a time;
    /// else rows are converted one by one first.
    /// </summary>
    static abstract bool IsPlain { get; }

    /// <summary>Reads one unit.</summary>
    /// <param name="row">Start of the row.</param>
    /// <param name="unit">Number of the unit in the row, from 0.</param>
    /// <typeparam name="T">Sixteen lanes.</typeparam>
    /// <returns>The first and the second half.</returns>
    static abstract (T First, T Second) Read<T>(ref byte row, int unit)
        where T : struct, ILanes<T>;
}
