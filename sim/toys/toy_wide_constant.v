// A wide register that is set to a constant whose upper words are zero.
module toy_wide_constant (
    input wire clock,
    input wire load,
    input wire [582:0] item,
    output reg [582:0] last
);
    always @(posedge clock) begin
        last <= 583'h340c911a_8f4a1571_97f20ac5_1d1457f6_fe0fb5a2_ef4a253b_95d655f2_5577f3cb_1b2415d8;
        if (load) last <= item;
    end
endmodule
