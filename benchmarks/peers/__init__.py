"""What users would write or take instead of our code, one small file for each; none of them imports `theory_sim`.

Each file has `prepare(problem, threads)`, which does what is not to be timed (imports, options) and returns a function
without arguments: from the problem's NumPy arrays to a dictionary of NumPy arrays, the job's result.
"""
