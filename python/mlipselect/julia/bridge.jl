# Plain arrays in and out of ACEpotentials.jl (0.8 and later). Lengths are in Å; columns are vectors.

using ACEpotentials, AtomsBase, Unitful, StaticArrays

# `parameters`: keyword arguments of ace1_model, with numbers or lists of them.
function make_model(elements, parameters)
    keywords = Dict(Symbol(String(key)) => plain(value) for (key, value) in pairs(parameters))
    return ace1_model(; elements = [Symbol(String(element)) for element in elements], keywords...)
end

plain(value::Number) = value
plain(value::AbstractString) = String(value)
plain(value) = [plain(item) for item in value]

n_features(model) = ACEpotentials.Models.length_basis(model)

function make_system(numbers, positions, cell, pbc)
    atoms = [Atom(Int(numbers[i]), SVector{3}(positions[:, i]) * u"Å") for i in eachindex(numbers)]
    vectors = Tuple(SVector{3}(cell[:, k]) * u"Å" for k in 1:3)
    return any(pbc) ? atomic_system(atoms, vectors, Tuple(Bool.(pbc))) : isolated_system(atoms)
end

# One row for each atom.
function site_rows(model, numbers, positions, cell, pbc)
    rows = site_descriptors(make_system(numbers, positions, cell, pbc), model)
    return permutedims(reduce(hcat, rows))
end

# Rows for the energy, the forces (x, y and z of the first atom, then of the next) and the virial (xx, yy, zz, yz, xz, xy).
function design_rows(model, numbers, positions, cell, pbc)
    basis = ACEpotentials.Models.energy_forces_virial_basis(make_system(numbers, positions, cell, pbc), model)
    n_atoms, n_basis = size(basis.forces)
    forces = [ustrip(basis.forces[i, b][c]) for c in 1:3, i in 1:n_atoms, b in 1:n_basis]
    voigt = ((1, 1), (2, 2), (3, 3), (2, 3), (1, 3), (1, 2))
    virial = [ustrip(basis.virial[b][i, j]) for (i, j) in voigt, b in 1:n_basis]
    return ustrip.(basis.energy), reshape(forces, 3 * n_atoms, n_basis), virial
end
