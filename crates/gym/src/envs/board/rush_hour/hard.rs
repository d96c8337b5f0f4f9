//! Boards that need many moves.
//!
//! Found by hill climbing over random boards: a car is moved elsewhere, and the change is kept when the
//! farthest position that moves can reach lies no nearer to the exit than before. All positions of a
//! board can be looked at quickly: there are 4,000 at most.

use super::lot::Lot;

/// A board in its farthest position.
pub(super) struct Board {
    /// Moves of its best solution.
    pub(super) moves: usize,
    text: &'static str,
}

impl Board {
    /// How many cars it has: letters are given without a gap.
    pub(super) fn cars(&self) -> usize {
        self.text.bytes().max().map_or(0, |last| usize::from(last.saturating_sub(b'A')) + 1)
    }

    pub(super) fn lot(&self) -> Option<Lot> {
        Lot::from_text(self.text)
    }
}

const fn board(moves: usize, text: &'static str) -> Board {
    Board { moves, text }
}

/// Eight boards for each number of cars, the hardest first.
pub(super) const BOARDS: &[Board] = &[
    board(8, "--B--- --B--- AAB--- DDD--C -----C -----C"),
    board(8, "--B--- --B--- AAB--- -----D CCC--D -----D"),
    board(6, "----B- ----B- --AAB- --D-CC --D--- --D---"),
    board(6, "-----C -----C ---AAC ---BDD ---B-- ---B--"),
    board(6, "----B- ----B- --AAB- ---C-- ---CDD ---C--"),
    board(5, "----B- ----B- AA--B- -C-DDD -C---- -C----"),
    board(5, "---D-- ---D-- AA-D-- B--CCC B----- B-----"),
    board(5, "----B- ----B- --AAB- ------ --CDDD --C---"),
    board(11, "--C--- --C--- AAC--- ----B- -EDDB- -E--B-"),
    board(11, "---D-- ---D-- AA-D-- -----B -CEE-B -C---B"),
    board(10, "--E--- --E--- AAE--- CCC--B DDD--B -----B"),
    board(9, "--B--- --B--- AAB--E -----E CCC--D -----D"),
    board(9, "--C--- --C--- AAC--- -----B ---E-B DDDE-B"),
    board(8, "--E--- --E--- AAD--- --D--C BBB--C -----C"),
    board(8, "------ ---E-- -AAE-- DDDE-- --BCCC --B---"),
    board(8, "------ ------ --AAB- CCC-B- --E-B- --EDDD"),
    board(16, "--B--- --B--D --BAAD CCCE-D ---EFF ------"),
    board(14, "------ ----B- --AAB- CCE-B- -DE-FF -DE---"),
    board(14, "------ ------ AA-BE- FF-BE- -C-BE- -C-DDD"),
    board(14, "------ ------ --AAD- CCB-D- E-B-D- E-B-FF"),
    board(14, "--DF-- --DF-- AADF-- -----E -CBB-E -C---E"),
    board(14, "------ ------ ---AAD CC-B-D -F-B-D -F-BEE"),
    board(12, "-E---- -E--B- -EAAB- CCF-B- --FDDD ------"),
    board(12, "--C--- --C-FF AAC-E- BBB-E- ------ ---DDD"),
    board(22, "--FB-- CCFB-- GAAB-- GDDD-- G----- EEE---"),
    board(22, "GGDC-- F-DC-- FAAC-- FBBB-- EEE--- ------"),
    board(20, "--DG-- --DGCC AAD--- --BBBF -----F --EEEF"),
    board(20, "--C--- --C--D --CAAD -FFB-D -G-BEE -G-B--"),
    board(18, "--B--- --B-GG -FAAE- -F--E- DDD-C- ----C-"),
    board(18, "BBB-D- -E--D- -EAAC- ----C- --G-FF --G---"),
    board(18, "--B-GG --B--F --BAAF CCCE-F ---EDD ------"),
    board(17, "-C-EEE -C--B- -CAAB- GGF-B- --FDDD ------"),
    board(33, "FFB--D --B--D --BAAD ---CEE GHHC-- G--C--"),
    board(27, "HH-D-- E--D-- EAAD-- E-GBBB --G-F- CCC-F-"),
    board(25, "CCFB-- G-FB-- GAAB-- G--DDD EEE--H -----H"),
    board(24, "---D-- ---DFF AAGDC- --G-C- EHHHB- E---B-"),
    board(24, "-----E --GH-E AAGH-E F-GCCC FDDB-- ---B--"),
    board(24, "D---E- DBBBE- AAFHE- --FH-- ---CGG ---C--"),
    board(24, "ECCCG- E-F-G- AAFBG- ---B-- ---DHH ---D--"),
    board(23, "---B-- FEEB-H F-CAAH GGC--H --CDDD ------"),
    board(38, "--IGG- --IC-- AAIC-- F-DDDH FEEB-H ---B-H"),
    board(35, "E--HHH E--GI- AA-GI- DDDFI- --CFBB --C---"),
    board(34, "HHB--- I-BEE- I-AAD- ---GD- FFFGC- ---GC-"),
    board(30, "BBG-FF E-G-C- E-AAC- EDDDC- ---IHH ---I--"),
    board(30, "------ GGGE-- AACE-- I-CDDF IBBH-F ---H-F"),
    board(30, "EEEH-B IDDH-B I-FAAB GGF--- --FCCC ------"),
    board(29, "GGG--D --C--D --CAAD -EEHFF --BHII --B---"),
    board(29, "II-D-- H--D-- HAAD-- H-FBBB --F-GE CCC-GE"),
    board(47, "--BIII --BD-- AAHD-- FFHEEJ -CGG-J -C---J"),
    board(43, "IIFCCC --F--- AAF--- GBBDDH GEEJ-H ---J-H"),
    board(41, "JJI-FF G-I--- G-AAD- GEEED- ---BD- CC-BHH"),
    board(41, "--HFFC --HE-C AAHE-C I-DDD- IJJB-- GG-B--"),
    board(40, "G----- GEEEI- AAJDI- BBJDI- ---CHH -FFC--"),
    board(39, "GGF--- C-FEE- C-AAI- HH-DI- BBBDJ- ---DJ-"),
    board(39, "I--JJJ I--GDE AA-GDE BBBFDE --CFHH --C---"),
    board(38, "G--HHH G--B-- GAABD- CCCEDF --JEDF --JIIF"),
    board(49, "--KDDD --KB-- AACB-- FFCEEG -IHH-G -IJJ-G"),
    board(46, "FFBEEE --B--- AAB--- KIIJJG KDDC-G HH-C-G"),
    board(44, "GGJ-II F-J--- F-AACK FBBBCK ---ECK HH-EDD"),
    board(43, "--BGGH --BC-H AABC-H E--JJJ EKKI-- DD-IFF"),
    board(43, "H--III HBBBG- AAKDG- CCKDG- ---EJJ -FFE--"),
    board(42, "H-KKII H-EJ-D AAEJ-D --EGGD ---BFF CCCB--"),
    board(41, "--JCCC --J--K AAI--K FFI--B GDD-HB GEEEHB"),
    board(40, "-HJJEE -H-CD- AA-CD- GFFFDI G-BKKI G-B--I"),
    board(45, "HHL-II B-L-JC B-AAJC BEEEJC ---GDD KK-GFF"),
    board(43, "--BDDD --B--I AAC--I HHCF-E JKKFLE JGGGLE"),
    board(41, "EEEK-- --DKGG AAD--L F-DJJL FIII-C HHBBBC"),
    board(41, "J-LLCC JKKK-H AAIE-H --IEGG -FFFDB ----DB"),
    board(40, "FFE-II --E-DD AAJ--G L-JHHG LBBK-C L--K-C"),
    board(40, "IIH--- --HEEE LAABKJ LCCBKJ G--B-D G-FFFD"),
    board(39, "EEE--H --BDDH AAB--K L-BFFK LGGGI- CCJJI-"),
    board(38, "DDBBBL JKKK-L JAAG-- HHFG-- --FEEE -IIICC"),
    board(47, "CCL-KK JJL-HE I-AAHE IBBBHE I--MGG DD-MFF"),
    board(46, "BBBHHD LL---D GAA--D GEMMII GEKCFF JJKC--"),
    board(42, "HKBBF- HK--FL HAAGML --IGMC --IJJC DDEEEC"),
    board(42, "BBBK-- --DKLL AAD--G E-DFFG EHHHJM CCIIJM"),
    board(39, "F-EEEH F-CB-H AACBKL -IIJKL ---JMM DDGGG-"),
    board(38, "MCCBBB M-LGGG AAL--K -JFFDK -JIIDE HHH-DE"),
    board(37, "KBBBDI KJJJDI AAMGLF CCMGLF ---EHH ---E--"),
    board(36, "-FFFII -LLBBD AAC--D H-CMME HJJ-KE GGG-KE"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boards_need_the_moves_they_claim() {
        for (i, board) in BOARDS.iter().enumerate() {
            let lot = board.lot().unwrap();
            assert_eq!(lot.cars(), board.cars());
            let positions = lot.positions(4_000).unwrap();
            let farthest = positions.iter().map(|(_, moves)| usize::from(*moves)).max();
            assert_eq!(farthest, Some(board.moves));
            // The searches agree; the longer one is run for a few only.
            if i % 10 == 0 {
                assert_eq!(lot.solution().map(|plan| plan.len()), Some(board.moves));
            }
        }
    }

    #[test]
    fn there_are_boards_for_every_number_of_cars() {
        for cars in 4..=13 {
            assert!(BOARDS.iter().filter(|b| b.cars() == cars).count() >= 4, "{cars}");
        }
    }
}
