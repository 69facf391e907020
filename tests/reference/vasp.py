"""The parts of OUTCAR and vasprun.xml that hold structures, labels and electronic steps, with all digits."""

from __future__ import annotations

import numpy as np
from ase.units import GPa

REACHED = "------------------------ aborting loop because EDIFF is reached ----------------------------------------"
NOT_REACHED = "------------------------ aborting loop EDIFF was not reached (unconverged)  ----------------------------"


def write_outcar(path, structures, n_electronic=None, limit=60, said=True):
    """Write an OUTCAR; `n_electronic` are the electronic steps of each, `said` whether it says that some fail."""
    counts = [5] * len(structures) if n_electronic is None else n_electronic
    lines = [f" POTCAR:    PAW_PBE {structures[0].symbols[0]} 22Jun2005"] * 2
    lines += [
        f"   ions per type =              {len(structures[0])}",
        "   ISPIN  =      1    spin polarized calculation?",
    ]
    lines += [f"   NELM   =    {limit};   NELMIN=  2; NELMDL= -5     # of ELM steps"]
    for step, (atoms, count) in enumerate(zip(structures, counts, strict=True), 1):
        lines += [f"--- Iteration {step:6d}({electronic:4d})  ---" for electronic in range(1, count + 1)]
        if count < limit:
            lines.append(REACHED)
        elif said:
            lines.append(NOT_REACHED)
        xx, yy, zz, yz, xz, xy = atoms.calc.results["stress"] / (-0.1 * GPa)
        lines.append("  in kB " + " ".join(f"{value:.14f}" for value in (xx, yy, zz, xy, yz, xz)))
        lines.append("      direct lattice vectors                 reciprocal lattice vectors")
        lines += [" ".join(f"{value:.17f}" for value in [*row, 0.0, 0.0, 0.0]) for row in atoms.cell.array]
        lines += [" POSITION                                       TOTAL-FORCE (eV/Angst)", " " + "-" * 80]
        table = np.hstack([atoms.positions, atoms.calc.results["forces"]])
        lines += [" ".join(f"{value:.17f}" for value in row) for row in table]
        energy = atoms.calc.results["energy"]
        lines += ["  FREE ENERGIE OF THE ION-ELECTRON SYSTEM (eV)", "  " + "-" * 40]
        lines += [f"  free  energy   TOTEN  =  {energy:.15f} eV", ""]
        lines += [f"  energy  without entropy= {energy:.15f}  energy(sigma->0) = {energy:.15f}"]
    path.write_text("\n".join([*lines, ""]))


def write_vasprun(path, structures, n_electronic=None, limit=60):
    """Write a vasprun.xml; `n_electronic` are the electronic steps of each structure."""
    counts = [5] * len(structures) if n_electronic is None else n_electronic
    symbol, n_atoms = structures[0].symbols[0], len(structures[0])
    atoms_set = f"<rc><c>{symbol}</c><c>1</c></rc>" * n_atoms
    parts = [
        '<modeling><kpoints><varray name="kpointlist"><v>0 0 0</v></varray><varray name="weights"><v>1</v></varray>'
        f'</kpoints><parameters><i type="int" name="NELM">{limit}</i></parameters>'
        f'<atominfo><array name="atoms"><set>{atoms_set}</set></array></atominfo>'
        f'<structure name="initialpos">{_structure(structures[0])}</structure>'
    ]
    for atoms, count in zip(structures, counts, strict=True):
        energy = "".join(
            f'<i name="{name}">{atoms.calc.results["energy"]:.15f}</i>' for name in ("e_fr_energy", "e_0_energy")
        )
        xx, yy, zz, yz, xz, xy = atoms.calc.results["stress"] / (-0.1 * GPa)
        parts.append(
            "<calculation>"
            + f"<scstep><energy>{energy}</energy></scstep>" * count
            + f"<structure>{_structure(atoms)}</structure>{_varray('forces', atoms.calc.results['forces'])}"
            + _varray("stress", [[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
            + f"<energy>{energy}</energy></calculation>"
        )
    path.write_text("\n".join([*parts, "</modeling>"]))


def _structure(atoms):
    cell = _varray("basis", atoms.cell.array)
    return f"<crystal>{cell}</crystal>{_varray('positions', atoms.get_scaled_positions(wrap=False))}"


def _varray(name, rows):
    text = "".join("<v>" + " ".join(f"{value:.17f}" for value in row) + "</v>" for row in rows)
    return f'<varray name="{name}">{text}</varray>'
