// 64 words of 128 bits, one write port with byte mask, one synchronous read port.
module toy_memory (
    input wire clock,
    input wire [5:0] write$address,
    input wire [127:0] write$data,
    input wire [15:0] write$mask,
    input wire [5:0] read$address,
    output reg [127:0] read$data
);
    reg [127:0] words [0:63];
    integer lane;
    always @(posedge clock) begin
        for (lane = 0; lane < 16; lane = lane + 1)
            if (write$mask[lane])
                words[write$address][8*lane +: 8] <= write$data[8*lane +: 8];
        read$data <= words[read$address];
    end
endmodule
